package validate

import (
	"bytes"

	"github.com/onward-health/onward/fhir"
)

// bundleRules are the invariants of R4 bundle.html.
var bundleRules = []rule{
	{path: "Bundle", key: "bdl-1", text: "only a searchset or history has a total",
		holds: func(v fhir.Value) bool { return !has(v, "total") || is(v.Get("type"), "searchset", "history") }},
	{path: "Bundle", key: "bdl-2", text: "only entries of a searchset have search",
		holds: func(v fhir.Value) bool { return is(v.Get("type"), "searchset") || noEntryHas(v, "search") }},
	{path: "Bundle", key: "bdl-3", text: "every entry of a batch, transaction or history has a request, and no other bundle's has",
		holds: func(v fhir.Value) bool {
			return allEntries(v, "request", is(v.Get("type"), "batch", "transaction", "history"))
		}},
	{path: "Bundle", key: "bdl-4", text: "every entry of a history or of a response to a batch or transaction has a response, and no other bundle's has",
		holds: func(v fhir.Value) bool {
			return allEntries(v, "response", is(v.Get("type"), "batch-response", "transaction-response", "history"))
		}},
	{path: "Bundle", key: "bdl-7", text: "two entries can't have the same fullUrl, unless their versions differ", holds: fullURLsDiffer},
	{path: "Bundle", key: "bdl-9", text: "a document needs an identifier with system and value",
		holds: func(v fhir.Value) bool {
			id := v.Get("identifier")
			return !is(v.Get("type"), "document") || has(id, "system") && has(id, "value")
		}},
	{path: "Bundle", key: "bdl-10", text: "a document needs a timestamp",
		holds: func(v fhir.Value) bool { return !is(v.Get("type"), "document") || v.Get("timestamp").Exists() }},
	{path: "Bundle", key: "bdl-11", text: "the first resource of a document is a Composition",
		holds: func(v fhir.Value) bool { return !is(v.Get("type"), "document") || firstIs(v, "Composition") }},
	{path: "Bundle", key: "bdl-12", text: "the first resource of a message is a MessageHeader",
		holds: func(v fhir.Value) bool { return !is(v.Get("type"), "message") || firstIs(v, "MessageHeader") }},
	{path: "Bundle.entry", key: "bdl-5", text: "an entry needs a resource, a request or a response",
		holds: func(v fhir.Value) bool { return has(v, "resource") || has(v, "request") || has(v, "response") }},
	{path: "Bundle.entry", key: "bdl-8", text: "a fullUrl has no version in it",
		holds: func(v fhir.Value) bool { return !bytes.Contains(v.Get("fullUrl").TextBytes(), []byte("/_history/")) }},
}

func noEntryHas(v fhir.Value, name string) bool { return allEntries(v, name, false) }

// allEntries says whether every entry has, or hasn't, an element.
func allEntries(v fhir.Value, name string, wanted bool) bool {
	for entry := range v.Get("entry").Items() {
		if has(entry, name) != wanted {
			return false
		}
	}
	return true
}

func firstIs(v fhir.Value, resourceType string) bool {
	return is(v.Get("entry").At(0).Get("resource").Get("resourceType"), resourceType)
}

// fullURLsDiffer is bdl-7: fullUrl and version together are distinct.
func fullURLsDiffer(v fhir.Value) bool {
	entries := v.Get("entry")
	if is(v.Get("type"), "history") || entries.Len() < 2 {
		return true
	}
	seen := make(map[string]bool, entries.Len())
	for entry := range entries.Items() {
		fullURL := entry.Get("fullUrl")
		if fullURL.Kind() != fhir.StringKind {
			continue
		}
		name := fullURL.Text() + entry.Get("resource").Get("meta").Get("versionId").Text()
		if seen[name] {
			return false
		}
		seen[name] = true
	}
	return true
}
