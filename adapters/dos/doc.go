// Package dos is the door to the Directory of Services of urgent and emergency
// care, in both directions: a client of its SOAP web service (version 1.5:
// CheckCapacitySummary, ServiceDetailsById), of its REST service (v1.0) and of
// the FHIR R4 service that follows them, and a stand-in of all three, called
// sandbox, that answers from the services that this program hosts.
//
// The stand-in is for development and tests. It follows the published search
// rules as far as invented postcodes and profiles go; nobody may be sent
// anywhere because of it.
//
// Not supported: crawling or caching what the directory says, which its terms
// forbid; capacity updates; endpoints in the one-string form as output (they
// are read).
package dos
