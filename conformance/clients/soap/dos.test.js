import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import soap from 'soap'
import { start } from '../server.js'

let server
before(async () => { server = await start() })
after(async () => { await server?.stop() })

const namespace = 'https://nww.pathwaysdos.nhs.uk/app/api/webservices'
const account = { username: 'sandbox', password: 'sandbox' }
const someone = {
  postcode: 'ZZ99 3VZ', surgery: 'UNK', age: 35, ageFormat: 'Years', disposition: 1005, symptomGroup: 1110,
  symptomDiscriminatorList: { int: [4003] }, searchDistance: 30, forceSearchDistance: false, gender: 'F'
}

/** A client of the sandbox directory's description, which is bound to SOAP 1.2. */
async function client(version = '1.5') {
  const c = await soap.createClientAsync(`${server.origin}/sandbox/dos/app/api/webservices?wsdl=1.5`, { forceSoap12Headers: true })
  if (version) c.addSoapHeader({ serviceVersion: version }, '', 'd', namespace)
  return c
}

test('the description lists the operations', async () => {
  const c = await client()
  assert.deepEqual(Object.keys(c.describe().SandboxDirectoryOfServices.Directory), ['CheckCapacitySummary', 'ServiceDetailsById', 'GetHospitalScores'])
})

test('a case finds services in their order, with their endpoints', async () => {
  const c = await client()
  const [found] = await c.CheckCapacitySummaryAsync({ userInfo: account, c: someone })
  const services = found.CheckCapacitySummaryResult.serviceCareSummaryDestination
  assert.deepEqual(services.map((s) => String(s.id)), ['2000072489', '2000073917', '2000011147', '1503499715'])
  assert.equal(found.SearchDistanceUsedSource, 'Web Service')
  assert.ok(services[0].serviceEndpoints.endpoint.some((e) => e.transport === 'itk' && e.format === 'CDA'))
})

test('the default version needs no header, and details are found', async () => {
  const c = await client('')
  const [found] = await c.ServiceDetailsByIdAsync({ userInfo: account, serviceId: '2000072489' })
  assert.equal(String([found.services.service].flat()[0].odsCode), 'B2002')
})

test('faults have the directory’s numbers', async () => {
  for (const [change, number, version] of [
    [{ c: { ...someone, postcode: 'XX1 1XX' } }, '101'],
    [{ c: { ...someone, age: 130 } }, '117'],
    [{ userInfo: { ...account, password: 'wrong' } }, '302'],
    [{ userInfo: { ...account, username: 'noperm' } }, '303'],
    [{}, '107', '9.9']
  ]) {
    const c = await client(version)
    await assert.rejects(c.CheckCapacitySummaryAsync({ userInfo: account, c: someone, ...change }), (error) => {
      assert.equal(error.response?.status, 500)
      assert.match(error.body ?? error.response.data, new RegExp(`Value>${number}<`))
      return true
    })
  }
})
