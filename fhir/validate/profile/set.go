package profile

import (
	"cmp"
	"errors"
	"io/fs"
	"slices"
	"strings"

	"github.com/onward-health/onward/fhir"
	"github.com/onward-health/onward/fhir/def"
	"github.com/onward-health/onward/fhir/r4"
)

// Set is the profiles of a folder. It never changes once loaded and can be used
// from many goroutines. A nil Set holds none.
type Set struct {
	tables     *def.Tables
	profiles   map[string]*Profile // by canonical, without version
	extensions map[string]*Profile // the definitions of extensions, by url
	terms      *terminology        // while the set is made
	unenforced []Unenforced
}

// Profile is one StructureDefinition with derivation constraint.
type Profile struct {
	URL, Version string
	Type         string // "Patient", "Extension", "Identifier"
	File         string
	resource     bool
	base         string
	differential fhir.Value // the lists of ElementDefinitions
	snapshot     fhir.Value
	root         *node
	state        uint8 // of the building
	skipped      []Unenforced
}

// Unenforced is one thing that a profile asks for and that isn't checked.
type Unenforced struct {
	Profile, File string
	Element       string // id of the ElementDefinition, or "" for the profile as a whole
	Reason        string
}

func (u Unenforced) String() string {
	where := u.File
	if u.Element != "" {
		where += ": " + u.Element
	}
	return where + ": " + u.Reason
}

// LoadError is what is wrong with one file.
type LoadError struct {
	File, Element, Text string
	terminology         bool // only codes are missing
}

func (e *LoadError) Error() string {
	where := e.File
	if e.Element != "" {
		where += ": element " + e.Element
	}
	return where + ": " + e.Text
}

// Load reads every StructureDefinition, ValueSet and CodeSystem of a folder and
// those below it (JSON by .json, XML by .xml); other resources are passed over.
// The error holds a *LoadError for every file that is wrong. The folder must
// hold a profile.
func Load(folder fs.FS) (*Set, error) {
	f, err := readFolder(folder)
	if err != nil {
		return nil, err
	}
	s := &Set{tables: r4.Tables, profiles: map[string]*Profile{}}
	problems := s.add(f.structures)
	if len(problems) == 0 {
		problems = s.build()
	}
	if len(problems) > 0 {
		return nil, errors.Join(problems...)
	}
	if len(s.profiles) == 0 {
		return nil, errors.New("there is no StructureDefinition in the folder")
	}
	s.unenforced = append(s.unenforced, f.unread...)
	s.seal(f.terminology)
	return s, nil
}

// add takes the StructureDefinitions in.
func (s *Set) add(files []file) (problems []error) {
	for _, f := range files {
		p, skip, text := s.readProfile(f)
		if text != "" {
			problems = append(problems, &LoadError{File: f.name, Text: text})
			continue
		}
		if skip != "" {
			s.unenforced = append(s.unenforced, Unenforced{p.URL, f.name, "", skip})
			continue
		}
		if other := s.profiles[p.URL]; other != nil {
			problems = append(problems, &LoadError{File: f.name, Text: "the file " + other.File + " has the same url"})
			continue
		}
		s.profiles[p.URL] = p
	}
	return problems
}

// readProfile reads what a StructureDefinition says of itself. skip is why it
// is passed over.
func (s *Set) readProfile(f file) (p *Profile, skip, wrong string) {
	r := f.res
	p = &Profile{URL: r.Get("url").Text(), Version: r.Get("version").Text(), Type: r.Get("type").Text(),
		base: r.Get("baseDefinition").Text(), File: f.name}
	if p.URL == "" {
		return p, "", "a StructureDefinition needs a url"
	}
	if strings.ContainsAny(p.URL, "|# ") {
		return p, "", "the url of a StructureDefinition has neither version nor fragment nor spaces"
	}
	if kind := r.Get("kind").Text(); kind == "logical" {
		return p, "a logical model is no profile of R4", ""
	}
	if r.Get("derivation").Text() != "constraint" {
		return p, "only StructureDefinitions with derivation constraint are profiles", ""
	}
	if v := r.Get("fhirVersion").Text(); v != "" && !strings.HasPrefix(v, "4.0") {
		return p, "it is for another FHIR version", ""
	}
	typ := s.tables.Type(p.Type)
	if typ == nil || typ.Kind == def.Backbone {
		return p, "", "type must be one of R4's types"
	}
	p.resource = typ.Kind == def.Resource
	if p.base == "" {
		return p, "", "baseDefinition is needed"
	}
	p.differential = r.Get("differential").Get("element")
	p.snapshot = r.Get("snapshot").Get("element")
	return p, "", ""
}

func (s *Set) isCore(canonical string) bool {
	name, ok := strings.CutPrefix(canonical, core)
	return ok && s.tables.Type(name) != nil
}

// Len is the number of profiles, those of extensions and data types included.
func (s *Set) Len() int {
	if s == nil {
		return 0
	}
	return len(s.profiles)
}

// Find returns a profile by its canonical, with or without |version, or nil.
func (s *Set) Find(canonical string) *Profile {
	if s == nil {
		return nil
	}
	url, version, _ := strings.Cut(canonical, "|")
	p := s.profiles[url]
	if p == nil || version != "" && version != p.Version {
		return nil
	}
	return p
}

// Supported lists the canonicals of a resource type's profiles, in order.
func (s *Set) Supported(typ string) []string {
	if s == nil {
		return nil
	}
	var list []string
	for url, p := range s.profiles {
		if p.resource && p.Type == typ {
			list = append(list, url)
		}
	}
	slices.Sort(list)
	return list
}

// Unenforced lists what the profiles ask for and the set doesn't check, by file.
func (s *Set) Unenforced() []Unenforced {
	if s == nil {
		return nil
	}
	return slices.Clone(s.unenforced)
}

func (p *Profile) skip(element, reason string) {
	one := Unenforced{p.URL, p.File, element, reason}
	if !slices.Contains(p.skipped, one) {
		p.skipped = append(p.skipped, one)
	}
}

// gather collects what was skipped while the profiles were built.
func (s *Set) gather() {
	for _, p := range s.profiles {
		s.unenforced = append(s.unenforced, p.skipped...)
	}
	slices.SortStableFunc(s.unenforced, func(a, b Unenforced) int {
		return cmp.Or(strings.Compare(a.File, b.File), strings.Compare(a.Element, b.Element), strings.Compare(a.Reason, b.Reason))
	})
}
