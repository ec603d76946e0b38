package profile_test

import (
	"testing"

	"github.com/onward-health/onward/fhir"
	"github.com/onward-health/onward/fhir/validate/profile"
)

// FuzzLoad reads any bytes as a definition, and holds a resource against it
// where it is one.
func FuzzLoad(f *testing.F) {
	for _, list := range [][]ruleCase{ruleCases, sliceCases} {
		for _, c := range list {
			f.Add([]byte(definition("P", c.typ, c.rules)))
		}
	}
	for _, text := range extensions {
		f.Add([]byte(text))
	}
	for _, text := range colours {
		f.Add([]byte(text))
	}
	r, err := fhir.Parse([]byte(`{"resourceType":"Patient","identifier":[` + nhs + `,` + local + `],"name":[{"family":"A"}],"birthDate":"1970"}`))
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		s, err := profile.Load(folder{"a.json": string(text)}.fs())
		if err != nil {
			return
		}
		s.Unenforced()
		for _, url := range s.Supported("Patient") {
			s.Validate(r, s.Find(url))
		}
	})
}

// FuzzCheck holds any resource against profiles of every kind of rule.
func FuzzCheck(f *testing.F) {
	all := folder{}
	number := 0
	for _, list := range [][]ruleCase{ruleCases, sliceCases} {
		for _, c := range list {
			number++
			all[string(rune('a'+number/26))+string(rune('a'+number%26))+".json"] = definition("P"+string(rune('a'+number/26))+string(rune('a'+number%26)), c.typ, c.rules)
			for name, text := range c.others {
				all[name] = text
			}
			for _, k := range c.checks {
				f.Add([]byte(k.resource))
			}
		}
	}
	for name, text := range extensions {
		all[name] = text
	}
	s, err := profile.Load(all.fs())
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		r, err := fhir.Parse(text)
		if err != nil {
			return
		}
		for _, url := range s.Supported(r.Type()) {
			for _, i := range s.Validate(r, s.Find(url)).Issues {
				if i.Text == "" || i.Code == "" {
					t.Fatal("an issue says nothing")
				}
			}
		}
		s.Check(r)
	})
}
