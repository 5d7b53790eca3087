// Runs PandaStack's own command line (npm @pandastack/cli) with the answers of a checklist, and without a network.
// Input: [{command, answers, lines}]; output, as the last line: the tree of its commands, and what each wizard would send.
'use strict';

const path = require('path');
const root = process.argv[2];
const load = (name) => require(path.join(root, 'src', name));
const stub = (name, exported) => {
  const file = require.resolve(path.join(root, 'src', name));
  require.cache[file] = { id: file, filename: file, loaded: true, exports: exported };
};

let form, asked, sent;
const answer = (message) => {
  const fitting = Object.keys(form.answers).filter((each) => message.startsWith(each));
  const key = fitting.sort((one, other) => other.length - one.length)[0];
  if (key === undefined) throw new Error(`it asks ${JSON.stringify(message)}, and the checklist has no answer`);
  asked.push(key);
  return form.answers[key];
};
const input = async ({ message, validate }) => {
  if (message.includes('KEY=VALUE')) return form.lines.shift() ?? '';
  const text = answer(message);
  const valid = validate ? validate(text) : true;
  if (valid !== true) throw new Error(`${message} ${text}: ${valid}`);
  return text;
};
const select = async ({ message, choices }) => {
  const wanted = answer(message);
  const found = choices.filter((each) => wanted.split(',')[0] === each.name.replace(/ +\(.*| {2,}.*/, '').trim());
  if (found.length !== 1) throw new Error(`${message} ${wanted}: has ${choices.map((each) => each.name).join(', ')}`);
  return found[0].value;
};
const confirm = async ({ message }) => (message.startsWith('Add env') ? answer(message).startsWith('y') : false);
const get = async (address) => {
  if (address.endsWith('/repositories')) return { data: [{ full_name: form.answers['GitHub repository'] }] };
  return { data: [{ name: form.answers.Branch }] };
};
const post = async (address, data) => {
  sent = data;
  return { data: { name: data.name } };
};

stub('utils/prompts.js', { input, select, confirm, password: input });
stub('api.js', { createClient: () => ({ get, post }) });
stub('config.js', { requireAuth: () => ({}), load: () => ({}) });
process.exit = (code) => { throw new Error(`it exits with ${code}`); };

const source = require('fs').readFileSync(path.join(root, 'bin', 'panda.js'), 'utf8');
const names = [...source.matchAll(/require\('\.\.\/src\/commands\/(\w+)'\)/g)].map((match) => match[1]);
const commands = names.map((name) => load(`commands/${name}.js`));
const tree = (command) => ({
  name: command.name(),
  options: Object.fromEntries(
    command.options.flatMap((each) => [each.short, each.long].filter(Boolean).map((flag) => [flag, Boolean(each.required || each.optional)])),
  ),
  least: command.registeredArguments.filter((each) => each.required).length,
  most: command.registeredArguments.some((each) => each.variadic) ? 99 : command.registeredArguments.length,
  commands: command.commands.map(tree),
});

(async () => {
  const results = [];
  for (form of JSON.parse(require('fs').readFileSync(0, 'utf8'))) {
    [asked, sent] = [[], null];
    const [group, ...rest] = form.command;
    try {
      await commands.find((each) => each.name() === group).parseAsync(rest, { from: 'user' });
      const left = Object.keys(form.answers).filter((each) => !asked.includes(each));
      if (left.length) throw new Error(`it never asks ${left.join(', ')}`);
      results.push({ asked, sent });
    } catch (error) {
      results.push({ error: error.message });
    }
  }
  console.log(`\n${JSON.stringify({ commands: commands.map(tree), results })}`);
})();
