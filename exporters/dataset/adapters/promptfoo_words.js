const words = (node) => {
  if (node === null || node === undefined) return '';
  if (typeof node === 'string') return node.split('\n').filter((line) => !callOnLine(line)).join('\n');
  if (callIn(node)) return '';
  if (Array.isArray(node)) {
    const parts = node.every((part) => callIn(part) || part?.type || part?.message || part?.content || part?.text);
    return parts ? node.map(words).join('\n') : node;
  }
  if (typeof node !== 'object') return node;
  if (node.type === 'reasoning' || node.type === 'thinking') return '';
  if (typeof node.text === 'string') return node.text;
  const key = keys.find((name) => name in node);
  return key ? words(node[key]) : node;
};
return words(output);
