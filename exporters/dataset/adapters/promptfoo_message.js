const keys = ['choices', 'candidates', 'message', 'output', 'content', 'parts', 'tool_calls', 'function_call'];
const callTypes = ['tool_use', 'function_call', 'tool_call'];
const callIn = (node) => {
  if (!node || typeof node !== 'object' || Array.isArray(node)) return null;
  const inner = node.function || node.functionCall;
  if (inner && inner.name) return inner;
  return callTypes.includes(node.type) || ('name' in node && 'arguments' in node) ? node : null;
};
const callOnLine = (line) => {
  try { const call = JSON.parse(line); return callTypes.includes(call?.type) ? call : null; } catch (error) { return null; }
};
