package archtest

import "strings"

const module = "github.com/onward-health/onward"

// layer is the part of the tree that a package belongs to: the first folder,
// and for adapters the door's own folder too, since doors keep apart.
func layer(pkg string) string {
	path := strings.TrimPrefix(strings.TrimPrefix(pkg, module), "/")
	first, rest, _ := strings.Cut(path, "/")
	if first != "adapters" {
		return first
	}
	door, _, _ := strings.Cut(rest, "/")
	return "adapters/" + door
}

// mayImport lists what each layer may import besides itself. "adapters" stands
// for every door. A layer that isn't listed is a folder that the design doesn't
// know.
var mayImport = map[string][]string{
	"fhir":        {},
	"store":       {"fhir"},
	"nhs":         {"fhir"},
	"internal":    {"store", "fhir", "nhs"},
	"bars":        {"store", "fhir", "nhs", "internal"},
	"journey":     {"bars", "store", "fhir", "nhs", "internal"},
	"adapters":    {"journey", "bars", "store", "fhir", "nhs", "internal"},
	"portal":      {"journey", "bars", "store", "fhir", "nhs", "internal"},
	"testdata":    {},
	"conformance": {"testdata", "journey", "bars", "store", "fhir", "nhs", "internal"},
	"cmd":         {"portal", "adapters", "conformance", "journey", "bars", "store", "fhir", "nhs", "internal"},
}

// check says what is wrong with one package importing another, "" if nothing.
func check(importer, imported string) string {
	if imported != module && !strings.HasPrefix(imported, module+"/") {
		return ""
	}
	from, to := layer(importer), layer(imported)
	if from == to {
		return ""
	}
	allowed, known := mayImport[kind(from)]
	if !known {
		return importer + " lies in a folder that the design doesn't know"
	}
	for _, name := range allowed {
		if name == kind(to) {
			return ""
		}
	}
	return importer + " must not import " + imported
}

// kind folds the doors into one.
func kind(layer string) string {
	if strings.HasPrefix(layer, "adapters/") {
		return "adapters"
	}
	return layer
}
