// The resources that the clients send. They are our own and describe nobody.

const system = 'https://conformance.example/Id/client'

export const patient = (key, birthDate = '1970-01-01') => ({
  resourceType: 'Patient',
  identifier: [{ system, value: key }],
  active: true,
  name: [{ family: 'Client', given: [key] }],
  birthDate,
})

export const identifier = (key) => `${system}|${key}`

export const practitioner = () => ({
  resourceType: 'Practitioner', active: true, name: [{ family: 'Client-Practitioner', given: ['Pat'] }],
})

export const schedule = (practitionerId) => ({
  resourceType: 'Schedule', active: true, actor: [{ reference: `Practitioner/${practitionerId}` }],
})

export const slot = (scheduleId, status = 'free') => ({
  resourceType: 'Slot', schedule: { reference: `Schedule/${scheduleId}` }, status,
  start: '2035-01-08T09:00:00Z', end: '2035-01-08T09:20:00Z',
})

export const appointment = (patientId, practitionerId, slotId) => ({
  resourceType: 'Appointment', status: 'booked', start: '2035-01-08T09:00:00Z', end: '2035-01-08T09:20:00Z',
  slot: [{ reference: `Slot/${slotId}` }],
  participant: [
    { actor: { reference: `Patient/${patientId}` }, required: 'required', status: 'accepted' },
    { actor: { reference: `Practitioner/${practitionerId}` }, required: 'required', status: 'accepted' },
  ],
})
