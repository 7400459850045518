const read = () => {
  try { return typeof output === 'string' ? JSON.parse(output) : output; } catch (error) { return undefined; }
};
const same = (one, other) => {
  if (!one || !other || typeof one !== 'object' || typeof other !== 'object') return one === other;
  const keys = Object.keys(one);
  const alike = Array.isArray(one) === Array.isArray(other) && keys.length === Object.keys(other).length;
  return alike && keys.every((key) => Object.hasOwn(other, key) && same(one[key], other[key]));
};
const pass = same(context.vars.case.expected.value, read());
return { pass, score: pass ? 1 : 0, reason: pass ? 'the value is as expected' : 'the value is another one' };
