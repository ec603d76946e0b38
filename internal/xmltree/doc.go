// Package xmltree reads whole XML documents of strangers into trees: XML 1.0
// with namespaces, strictly, without any document type, and within bounds. Names
// are resolved to namespaces and never matched by prefix.
//
// It knows no vocabulary and reads no FHIR (package fhirxml turns that into JSON
// in one pass). It never fetches anything. The SOAP doors use it: encoding/xml
// lets much pass that isn't XML, and takes most of the time that a report of
// 150 kB needs.
package xmltree
