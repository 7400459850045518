const calls = [];
const visit = (node) => {
  if (Array.isArray(node)) return node.forEach(visit);
  if (typeof node === 'string') return node.split('\n').forEach((line) => visit(callOnLine(line)));
  const call = callIn(node);
  if (call) {
    let given = call.arguments ?? call.args ?? call.input;
    if (typeof given === 'string') try { given = JSON.parse(given); } catch (error) { /* it stays a text */ }
    calls.push([call.name, given]);
  } else if (node && typeof node === 'object') keys.forEach((key) => visit(node[key]));
};
visit(output);
const holds = (wanted, given) => {
  if (!wanted || typeof wanted !== 'object') return wanted === given;
  if (!given || typeof given !== 'object' || Array.isArray(wanted) !== Array.isArray(given)) return false;
  if (Array.isArray(wanted) && wanted.length !== given.length) return false;
  return Object.keys(wanted).every((key) => {
    const own = key === ' $ref' ? '$ref' : key;
    return Object.hasOwn(given, own) && holds(wanted[key], given[own]);
  });
};
const isSuch = (named) => ([name, given]) => {
  const wanted = named.arguments;
  const any = wanted === undefined || wanted === null || Object.keys(wanted).length === 0;
  return name === (named.name ?? named) && (any || holds(wanted, given));
};
const { expectedToolCalls, forbiddenToolCalls } = context.vars.case;
const missing = expectedToolCalls.filter((call) => !calls.some(isSuch(call)));
const wrong = forbiddenToolCalls.filter((call) => calls.some(isSuch(call)));
const said = [
  ...missing.map((call) => 'not called: ' + JSON.stringify(call)),
  ...wrong.map((call) => 'called: ' + JSON.stringify(call)),
];
return { pass: said.length === 0, score: said.length ? 0 : 1, reason: said.join('; ') || 'the tools were called as expected' };
