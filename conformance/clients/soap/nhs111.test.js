import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import soap from 'soap'
import { start } from '../server.js'

const service = (name) => `urn:nhs-itk:services:201005:${name}`
const addressing = 'http://www.w3.org/2005/08/addressing'
const sample = readFileSync(new URL('../../../adapters/nhs111/testdata/report.xml', import.meta.url), 'utf8')
const report = sample.slice(sample.indexOf('<ClinicalDocument '), sample.indexOf('</ClinicalDocument>') + '</ClinicalDocument>'.length)
const ambulanceSample = readFileSync(new URL('../../../adapters/nhs111/testdata/ambulance.xml', import.meta.url), 'utf8')
const ambulance = ambulanceSample.slice(ambulanceSample.indexOf('<AmbulanceRequest '), ambulanceSample.indexOf('</AmbulanceRequest>') + '</AmbulanceRequest>'.length)

let server
let folder
before(async () => {
  folder = mkdtempSync(join(tmpdir(), 'onward-signer-'))
  execFileSync('openssl', ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2', '-subj', '/CN=a1001.onward.test',
    '-keyout', join(folder, 'key.pem'), '-out', join(folder, 'cert.pem')], { stdio: 'ignore' })
  server = await start('--nhs111-signers', join(folder, 'cert.pem'))
})
after(async () => {
  await server?.stop()
  rmSync(folder, { recursive: true, force: true })
})

const upper = () => randomUUID().toUpperCase()

/** A DistributionEnvelope as the WSDL describes it. */
function envelope(name, { interaction, profileid, xml }) {
  const id = `uuid_${upper()}`
  return {
    header: {
      attributes: { service: service(name), trackingid: upper() },
      addresslist: { address: [{ attributes: { type: '2.16.840.1.113883.2.1.3.2.4.18.44', uri: '2000072489' } }] },
      auditIdentity: { id: [{ attributes: { uri: 'urn:nhs-uk:identity:ods:A1001' } }] },
      manifest: { attributes: { count: '1' }, manifestitem: [{ attributes: { id, mimetype: 'text/xml', profileid } }] },
      senderAddress: { attributes: { uri: 'urn:nhs-uk:addressing:ods:A1001' } },
      handlingSpecification: { spec: [{ attributes: { key: 'urn:nhs-itk:ns:201005:interaction', value: `urn:nhs-itk:interaction:${interaction}` } }] }
    },
    payloads: { attributes: { count: '1' }, payload: [{ attributes: { id }, $xml: xml }] }
  }
}

const reportEnvelope = (name = 'SendNHS111Report-v2-0') => envelope(name, {
  interaction: 'primaryOutofHourRecipientNHS111CDADocument-v2-0', profileid: 'urn:nhs-en:profile:nhs111CDADocument-v2-0', xml: report
})

/** A client of one port, with the addressing headers that ITK asks for. */
async function client(action, { port = 'NHS111Port', options = {}, messageID = upper(), security = new soap.WSSecurity('a1001', 'none') } = {}) {
  const c = await soap.createClientAsync(`${server.origin}/nhs111/?wsdl`, options)
  c.addSoapHeader(`<a:MessageID xmlns:a="${addressing}">${messageID}</a:MessageID><a:Action xmlns:a="${addressing}">${service(action)}</a:Action>`)
  if (security) c.setSecurity(security)
  // One answer a call; the shorthand on the client itself would take any port.
  const call = (operation, args) => new Promise((resolve, reject) => {
    c.NHS111Service[port][operation](args, (error, answer) => error ? reject(error) : resolve(answer))
  })
  return { call, messageID, client: c }
}

test('the description lists services, ports and operations', async () => {
  const { client: c } = await client('SendNHS111Report-v2-0')
  const ports = c.describe().NHS111Service
  assert.deepEqual(Object.keys(ports), ['NHS111Port', 'ITKPort', 'ITKPort12'])
  assert.deepEqual(Object.keys(ports.NHS111Port), ['SendNHS111Report-v2-0', 'RequestAmbulanceDispatch-v2-0', 'NHS111RepeatCallerSyncQueryResp-v1-0'])
})

test('a report is sent, answered, and stands in the record', async () => {
  const { call, messageID } = await client('SendNHS111Report-v2-0')
  const answer = await call('SendNHS111Report-v2-0', reportEnvelope())
  assert.equal(answer.$value ?? answer, `OK:${messageID}`)
  const read = await fetch(`${server.origin}/nhs111/report/${messageID}`)
  assert.equal(read.status, 200)
  const bundle = await read.json()
  assert.equal(bundle.type, 'message')
  assert.ok(bundle.entry.some((e) => e.resource.resourceType === 'ServiceRequest'))
})

test('an ambulance is asked for', async () => {
  const { call, messageID } = await client('RequestAmbulanceDispatch-v2-0')
  const answer = await call('RequestAmbulanceDispatch-v2-0', envelope('RequestAmbulanceDispatch-v2-0', {
    interaction: 'primaryIntegratedUrgentCareRequestforAmbulance-v3-0',
    profileid: 'urn:nhs-en:profile:IntegratedUrgentCareAmbulanceRequest-v2-1',
    xml: ambulance
  }))
  assert.equal(answer.$value ?? answer, `OK:${messageID}`)
  const bundle = await (await fetch(`${server.origin}/nhs111/report/${messageID}`)).json()
  assert.equal(bundle.entry.find((e) => e.resource.resourceType === 'ServiceRequest').resource.priority, 'urgent')
})

test('a report signed by the client is verified', async () => {
  const pem = (name) => readFileSync(join(folder, name), 'utf8')
  const signer = () => new soap.WSSecurityCert(pem('key.pem'), pem('cert.pem'), '', {
    signatureAlgorithm: 'http://www.w3.org/2001/04/xmldsig-more#rsa-sha256', digestAlgorithm: 'http://www.w3.org/2001/04/xmlenc#sha256'
  })
  const { call, messageID, client: c } = await client('SendNHS111Report-v2-0', { security: signer() })
  const answer = await call('SendNHS111Report-v2-0', reportEnvelope())
  assert.equal(answer.$value ?? answer, `OK:${messageID}`)
  assert.match(c.lastRequest, /<(ds:)?Signature /)

  const changed = c.lastRequest.replaceAll('Invented Row', 'Other Row')
  const refused = await fetch(`${server.origin}/nhs111/report`, { method: 'POST', headers: { 'Content-Type': 'text/xml' }, body: changed })
  assert.equal(refused.status, 500)
  assert.match(await refused.text(), /a signed part was changed/)
})

test('a wrong report is a SOAP fault that the client understands', async () => {
  const { call } = await client('SendNHS111Report-v2-0')
  const wrong = reportEnvelope()
  wrong.header.manifest.attributes.count = '2'
  await assert.rejects(call('SendNHS111Report-v2-0', wrong), (error) => {
    assert.match(error.root.Envelope.Body.Fault.faultcode.$value ?? error.root.Envelope.Body.Fault.faultcode, /:Client$/)
    assert.equal(error.root.Envelope.Body.Fault.detail.ToolkitErrorInfo.ErrorText, "Manifest count and payload count don't match")
    return true
  })
})

test('the generic service answers by SOAP 1.2 with an acknowledgement', async () => {
  const { call } = await client('sendRecvDistEnvelope', { port: 'ITKPort12', options: { forceSoap12Headers: true } })
  const answer = await call('sendRecvDistEnvelope', reportEnvelope())
  assert.equal(answer.header.attributes.service, service('SendInfrastructureAck-v1-0'))
  assert.equal(answer.payloads.payload[0].InfrastructureResponse.attributes.result, 'OK')
})

test('a repeat caller query is answered', async () => {
  const { call } = await client('NHS111RepeatCallerSyncQueryResp-v1-0')
  const answer = await call('NHS111RepeatCallerSyncQueryResp-v1-0', envelope('NHS111RepeatCallerSyncQueryResp-v1-0', {
    interaction: 'nhs111RepeatCallerSyncQueryResp-v1-0',
    profileid: 'urn:nhs-en:profile:IntegratedUrgentCareRepeatCallerQuery-v2-1',
    xml: `<RepeatCallerQuery xmlns="urn:hl7-org:v3"><id root="${upper()}"/><query/></RepeatCallerQuery>`
  }))
  assert.equal(answer.payloads.payload[0].RepeatCallerResponse.value.attributes.code, 'IIQ')
})
