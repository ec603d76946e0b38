import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import smart from 'fhirclient'
import * as make from './resources.js'
import { start } from './server.js'

let server
let client
before(async () => {
  server = await start()
  const kept = new Map()
  const storage = {
    get: async (key) => kept.get(key),
    set: async (key, value) => { kept.set(key, value); return value },
    unset: async (key) => kept.delete(key),
  }
  client = smart({ headers: {}, url: '/' }, {}, storage).client(server.base)
})
after(() => server?.stop())

const refused = (status) => (error) => {
  assert.equal(error.statusCode ?? error.status, status)
  return true
}

test('the FHIR release is known', async () => {
  assert.equal(await client.getFhirVersion(), '4.0.1')
  assert.equal(await client.getFhirRelease(), 4)
})

test('a record is created, read, updated, read by version and deleted', async () => {
  const made = await client.create(make.patient('smart-crud'))
  assert.equal(made.meta.versionId, '1')
  const read = await client.request(`Patient/${made.id}`)
  assert.deepEqual(read, made)
  const changed = await client.update({ ...read, active: false })
  assert.equal(changed.meta.versionId, '2')
  assert.equal((await client.request(`Patient/${made.id}/_history/1`)).active, true)

  const stale = { url: `Patient/${made.id}`, method: 'PUT', body: JSON.stringify(read), headers: { 'content-type': 'application/fhir+json', 'if-match': 'W/"1"' } }
  await assert.rejects(client.request(stale), refused(412))

  await client.delete(`Patient/${made.id}`)
  await assert.rejects(client.request(`Patient/${made.id}`), refused(410))
  const history = await client.request(`Patient/${made.id}/_history`)
  assert.deepEqual(history.entry.map((entry) => entry.request.method), ['DELETE', 'PUT', 'POST'])
})

test('pageLimit 0 collects every page of a search', async () => {
  for (let year = 1950; year < 1957; year++) await client.create(make.patient('smart-page', `${year}-01-01`))
  const search = `Patient?identifier=${encodeURIComponent(make.identifier('smart-page'))}&_sort=birthdate&_count=3`
  const found = await client.request(search, { pageLimit: 0, flat: true })
  assert.deepEqual(found.map((one) => one.birthDate), [1950, 1951, 1952, 1953, 1954, 1955, 1956].map((year) => `${year}-01-01`))
  const pages = await client.request(search, { pageLimit: 2 })
  assert.equal(pages.length, 2)
  const walked = []
  for await (const one of client.resources(search)) walked.push(one.birthDate)
  assert.equal(walked.length, 7)
})

test('an unknown parameter and an unknown record are refused', async () => {
  await assert.rejects(client.request('Patient?favouriteColour=blue'), refused(400))
  await assert.rejects(client.request('Patient/never-used'), refused(404))
})

test('a slot is booked end to end and its references are resolved', async () => {
  const who = await client.create(make.practitioner())
  const diary = await client.create(make.schedule(who.id))
  await client.create(make.slot(diary.id))
  const sick = await client.create(make.patient('smart-book'))
  const free = `Slot?schedule=Schedule/${diary.id}&status=free`
  const [offered] = await client.request(free, { flat: true })

  const made = await client.create(make.appointment(sick.id, who.id, offered.id))
  assert.equal(made.status, 'booked')
  await assert.rejects(client.create(make.appointment(sick.id, who.id, offered.id)), refused(409))

  const whole = await client.request(`Appointment/${made.id}`, { resolveReferences: ['slot.0', 'participant.0.actor', 'participant.1.actor'] })
  assert.equal(whole.slot[0].status, 'busy')
  assert.equal(whole.participant[0].actor.id, sick.id)
  assert.equal(whole.participant[1].actor.id, who.id)
  assert.equal((await client.request(free)).total, 0)

  await client.update({ ...await client.request(`Appointment/${made.id}`), status: 'cancelled' })
  assert.equal((await client.request(`Slot/${offered.id}`)).status, 'free')
})
