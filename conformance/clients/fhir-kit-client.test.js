import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { Client } from 'fhir-kit-client'
import * as make from './resources.js'
import { start } from './server.js'

let server
let client
before(async () => {
  server = await start()
  client = new Client({ baseUrl: server.base })
})
after(() => server?.stop())

// refused checks the status of a refusal and that it is an OperationOutcome.
const refused = (status) => (error) => {
  assert.equal(error.response.status, status)
  assert.equal(error.response.data.resourceType, 'OperationOutcome')
  return true
}

test('the CapabilityStatement is read', async () => {
  const statement = await client.capabilityStatement()
  assert.equal(statement.resourceType, 'CapabilityStatement')
  assert.equal(statement.fhirVersion, '4.0.1')
})

test('a record is created, read, updated, read by version and deleted', async () => {
  const resourceType = 'Patient'
  const made = await client.create({ resourceType, body: make.patient('kit-crud') })
  const { id } = made
  const { response } = Client.httpFor(made)
  assert.equal(response.status, 201)
  assert.equal(response.headers.get('location'), `${server.base}/Patient/${id}/_history/1`)
  assert.equal(response.headers.get('etag'), 'W/"1"')

  const read = await client.read({ resourceType, id })
  assert.equal(read.name[0].family, 'Client')

  const changed = await client.update({ resourceType, id, body: { ...read, active: false } })
  assert.equal(changed.meta.versionId, '2')
  assert.equal((await client.vread({ resourceType, id, version: '1' })).active, true)
  assert.equal((await client.vread({ resourceType, id, version: '2' })).active, false)

  const stale = { headers: { 'If-Match': 'W/"1"' } }
  await assert.rejects(client.update({ resourceType, id, body: read, options: stale }), refused(412))

  await client.delete({ resourceType, id })
  await assert.rejects(client.read({ resourceType, id }), refused(410))
  const history = await client.request(`Patient/${id}/_history`)
  assert.deepEqual(history.entry.map((entry) => entry.request.method), ['DELETE', 'PUT', 'POST'])
})

test('a record is patched, and not where a test of the patch fails', async () => {
  const { id } = await client.create({ resourceType: 'Patient', body: make.patient('kit-patch') })
  const patch = (...jsonPatch) => client.patch({ resourceType: 'Patient', id, jsonPatch })
  const changed = await patch({ op: 'replace', path: '/active', value: false })
  assert.equal(changed.active, false)
  await assert.rejects(patch({ op: 'remove', path: '/name' }, { op: 'test', path: '/active', value: true }), refused(422))
  assert.equal((await client.read({ resourceType: 'Patient', id })).name[0].family, 'Client')
})

test('a conditional create and update find the record', async () => {
  const body = make.patient('kit-conditional')
  const searchParams = { identifier: make.identifier('kit-conditional') }
  const once = { headers: { 'If-None-Exist': `identifier=${searchParams.identifier}` } }
  const made = await client.create({ resourceType: 'Patient', body, options: once })
  const again = await client.create({ resourceType: 'Patient', body, options: once })
  assert.equal(again.id, made.id)
  const changed = await client.update({ resourceType: 'Patient', searchParams, body: { ...body, active: false } })
  assert.equal(changed.id, made.id)
  assert.equal(changed.meta.versionId, '2')
})

test('a transaction is done whole or not at all, a batch entry by entry', async () => {
  const fullUrl = 'urn:uuid:6d3b1c5e-2d0a-4b4f-8f0e-6f6c1b8e9a10'
  const entry = (method, url, resource, more) => ({ resource, request: { method, url, ...more } })
  const bundle = (type, ...list) => ({ resourceType: 'Bundle', type, entry: list })
  const linked = bundle('transaction',
    { fullUrl, ...entry('POST', 'Practitioner', make.practitioner()) },
    entry('POST', 'Schedule', { resourceType: 'Schedule', active: true, actor: [{ reference: fullUrl }] }))
  const done = await client.transaction({ body: linked })
  assert.equal(done.type, 'transaction-response')
  assert.equal(done.entry[1].resource.actor[0].reference, `Practitioner/${done.entry[0].resource.id}`)

  const stale = entry('PUT', 'Patient/kit-never', { ...make.patient('kit-never'), id: 'kit-never' }, { ifMatch: 'W/"7"' })
  const doomed = entry('POST', 'Patient', make.patient('kit-doomed'))
  const doomedSearch = { resourceType: 'Patient', searchParams: { identifier: make.identifier('kit-doomed') } }
  await assert.rejects(client.transaction({ body: bundle('transaction', doomed, stale) }), refused(412))
  assert.equal((await client.search(doomedSearch)).total, 0)
  const each = await client.batch({ body: bundle('batch', doomed, stale) })
  assert.deepEqual(each.entry.map((one) => one.response.status.slice(0, 3)), ['201', '412'])
  assert.equal((await client.search(doomedSearch)).total, 1)
})

test('nextPage leads through a search to each match once', async () => {
  for (let year = 1950; year < 1957; year++) {
    await client.create({ resourceType: 'Patient', body: make.patient('kit-page', `${year}-01-01`) })
  }
  const found = []
  let pages = 0
  let bundle = await client.search({
    resourceType: 'Patient', searchParams: { identifier: make.identifier('kit-page'), _sort: 'birthdate', _count: 3 },
  })
  while (bundle) {
    pages++
    found.push(...bundle.entry.map((entry) => entry.resource.birthDate))
    bundle = await client.nextPage({ bundle })
  }
  assert.equal(pages, 3)
  assert.deepEqual(found, [1950, 1951, 1952, 1953, 1954, 1955, 1956].map((year) => `${year}-01-01`))
})

test('an unknown parameter and an unknown record are refused', async () => {
  await assert.rejects(client.search({ resourceType: 'Patient', searchParams: { favouriteColour: 'blue' } }), refused(400))
  await assert.rejects(client.read({ resourceType: 'Patient', id: 'never-used' }), refused(404))
})

test('a contained and a relative reference are resolved', async () => {
  const who = await client.create({ resourceType: 'Practitioner', body: make.practitioner() })
  const diary = await client.create({ resourceType: 'Schedule', body: make.schedule(who.id) })
  const found = await client.resolve({ reference: diary.actor[0].reference, context: diary })
  assert.equal(found.id, who.id)
})

test('a slot is booked end to end, and by one client only', async () => {
  const who = await client.create({ resourceType: 'Practitioner', body: make.practitioner() })
  const diary = await client.create({ resourceType: 'Schedule', body: make.schedule(who.id) })
  await client.create({ resourceType: 'Slot', body: make.slot(diary.id) })
  const sick = await client.create({ resourceType: 'Patient', body: make.patient('kit-book') })

  const diaries = await client.search({ resourceType: 'Schedule', searchParams: { actor: `Practitioner/${who.id}` } })
  const free = { resourceType: 'Slot', searchParams: { schedule: `Schedule/${diaries.entry[0].resource.id}`, status: 'free' } }
  const offered = (await client.search(free)).entry[0].resource

  const body = make.appointment(sick.id, who.id, offered.id)
  const race = await Promise.allSettled([1, 2, 3, 4].map(() => client.create({ resourceType: 'Appointment', body })))
  const booked = race.filter((one) => one.status === 'fulfilled').map((one) => one.value)
  assert.equal(booked.length, 1)
  for (const one of race.filter((one) => one.status === 'rejected')) refused(409)(one.reason)

  const read = (resourceType, id) => client.read({ resourceType, id })
  assert.equal((await read('Slot', offered.id)).status, 'busy')
  assert.equal((await client.search(free)).total, 0)
  const mine = await client.search({ resourceType: 'Appointment', searchParams: { patient: `Patient/${sick.id}` } })
  assert.equal(mine.entry[0].resource.id, booked[0].id)

  const { id } = booked[0]
  await client.update({ resourceType: 'Appointment', id, body: { ...await read('Appointment', id), status: 'cancelled' } })
  assert.equal((await read('Slot', offered.id)).status, 'free')
})

test('the seeded slots are found and one is booked', async () => {
  const bundle = await client.search({ resourceType: 'Slot', searchParams: { status: 'free', _sort: '-start', _count: 1 } })
  const offered = bundle.entry[0].resource
  const sick = await client.create({ resourceType: 'Patient', body: make.patient('kit-seed') })
  const diary = await client.resolve({ reference: offered.schedule.reference, context: offered })
  const body = { ...make.appointment(sick.id, 'any', offered.id), start: offered.start, end: offered.end }
  body.participant[1].actor.reference = diary.actor[0].reference
  const made = await client.create({ resourceType: 'Appointment', body })
  assert.equal(made.status, 'booked')
  assert.equal((await client.read({ resourceType: 'Slot', id: offered.id })).status, 'busy')
})
