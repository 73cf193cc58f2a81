// Judges what the conformance suite has found, and writes it down.
//
//   node report.mjs FOLDER VERSION_OF_THE_SUITE REPORT [--without-operator]
//
// FOLDER holds a folder for each revision, as the suite's --output-dir leaves it. REPORT is the file that the findings
// must be in; with UPDATE=1 in the environment they are written there. Fails when a check failed or warned, when a
// check that neither passed nor failed has no reason below, or when the report is another one.
import { readFileSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

const [folder, suiteVersion, report, withoutOperator] = process.argv.slice(2)

// What is no verdict: what the suite sent and got.
const traces = new Set(['outgoing-request', 'incoming-response', 'incoming-sse-event', 'stream-closed'])

// Why a check neither passes nor fails.
const reasons = {
  'server-sse-streams-functional':
    'holds for servers that answer with a stream where there is nothing to stream; this one answers with JSON then',
  'tasks-status-notifications': 'the suite skips it: its check waits for a rewrite',
}

// The checks that fail where nobody plays the operator, since no tool can change a list.
const operated = new Set([
  'sep-2575-server-sends-tools-list-changed-on-subscription',
  'sep-2575-server-sends-prompts-list-changed-on-subscription',
])

const complaints = []
const lines = [
  '# Conformance',
  '',
  `What the public MCP conformance suite, version ${suiteVersion}, finds when it runs every scenario that a revision`,
  'requires, those that it does not score and those of the tasks extension included. The home that it runs against is',
  '`conformance/`. Made by `UPDATE=1 scripts/conformance.sh`; the tests hold it against what they find.',
]

for (const revision of readdirSync(folder).sort().reverse()) {
  const rows = []
  const sums = { passed: 0, failed: 0 }
  for (const run of readdirSync(join(folder, revision)).sort()) {
    const scenario = run.replace(/^server-/, '').replace(/-\d{4}-\d\d-\d\dT.*$/, '')
    const checks = JSON.parse(readFileSync(join(folder, revision, run, 'checks.json'), 'utf8'))
    const found = { passed: 0, failed: 0, notes: new Set() }
    for (const { id, status, errorMessage } of checks) {
      if (traces.has(id)) continue
      const reason = reasons[id] && `\`${id}\` ${reasons[id]}`
      if (status === 'SUCCESS') found.passed += 1
      else if (status === 'FAILURE' && withoutOperator && operated.has(id)) found.notes.add(`\`${id}\` needs an operator`)
      else if (['INFO', 'SKIPPED'].includes(status) && reason) found.notes.add(reason)
      else {
        found.failed += 1
        complaints.push(`${revision} ${scenario}: ${id}: ${status}: ${errorMessage ?? 'no reason is known'}`)
      }
    }
    sums.passed += found.passed
    sums.failed += found.failed
    rows.push(`| ${scenario} | ${found.passed} | ${found.failed} | ${[...found.notes].join('; ')} |`)
  }
  if (rows.length === 0) complaints.push(`${revision}: no scenario was run`)
  const total = sums.passed + sums.failed
  console.log(`${revision}: ${rows.length} scenarios, ${sums.passed} of ${total} checks passed`)
  lines.push('', `## ${revision}`, '', `${rows.length} scenarios, ${sums.passed} of ${total} checks passed.`, '')
  lines.push('| scenario | passed | failed | |', '|---|---|---|---|', ...rows)
}
lines.push(
  '',
  'The scenarios of the skills extension are not among those that a revision requires, and are not run.',
)

const text = lines.join('\n') + '\n'
if (process.env.UPDATE) writeFileSync(report, text)
else if (!withoutOperator && readFileSync(report, 'utf8') !== text) {
  complaints.push('docs/conformance.md says something else: renew it with UPDATE=1 scripts/conformance.sh')
}
for (const complaint of complaints) console.log(`  ${complaint}`)
process.exit(complaints.length > 0 ? 1 : 0)
