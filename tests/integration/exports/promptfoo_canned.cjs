// A promptfoo provider that answers every test with what canned.json holds for its case, or else with the prompt.
const { readFileSync } = require('node:fs');

const canned = JSON.parse(readFileSync(`${__dirname}/canned.json`, 'utf8'));

module.exports = class {
  id() {
    return 'canned';
  }

  async callApi(prompt, context) {
    const output = canned[context.vars.case.id];
    return { output: output === undefined ? prompt : output };
  }
};
