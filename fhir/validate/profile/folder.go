package profile

import (
	"errors"
	"io"
	"io/fs"
	"path"
	"regexp"
	"strings"

	"github.com/onward-health/onward/fhir"
	"github.com/onward-health/onward/fhir/fhirxml"
	"github.com/onward-health/onward/fhir/r4"
	"github.com/onward-health/onward/fhir/validate"
)

const (
	// maxFiles bounds the files of a folder.
	maxFiles = 20_000
	// maxFile bounds one file in bytes.
	maxFile = 32 << 20
	// maxProblems bounds how many wrong files are named.
	maxProblems = 50
)

// file is one resource of the folder.
type file struct {
	name string
	res  *fhir.Resource
}

// folderFiles is what a folder holds.
type folderFiles struct {
	structures  []file
	terminology *terminology
	unread      []Unenforced // code systems and value sets
}

// readFolder reads the folder in the order of the file names.
func readFolder(folder fs.FS) (*folderFiles, error) {
	f := &folderFiles{terminology: newTerminology()}
	var problems []error
	count := 0
	err := fs.WalkDir(folder, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		hidden := name != "." && strings.HasPrefix(path.Base(name), ".")
		if entry.IsDir() {
			if hidden {
				return fs.SkipDir
			}
			return nil
		}
		if extension := path.Ext(name); hidden || extension != ".json" && extension != ".xml" {
			return nil
		}
		if count++; count > maxFiles {
			return errors.New("there are too many files in the folder")
		}
		one, err := readFile(folder, name)
		var wrong *LoadError
		if errors.As(err, &wrong) && wrong.terminology {
			f.unread = append(f.unread, Unenforced{File: name, Reason: "the file can't be read, so bindings that need its codes aren't checked: " + wrong.Text})
			return nil
		}
		if err != nil {
			problems = append(problems, err)
			if len(problems) >= maxProblems {
				return errors.Join(problems...)
			}
			return nil
		}
		f.sort(one)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return f, errors.Join(problems...)
}

func (f *folderFiles) sort(one file) {
	switch one.res.Type() {
	case "StructureDefinition":
		f.structures = append(f.structures, one)
	case "ValueSet":
		f.terminology.addValueSet(one.res)
	case "CodeSystem":
		f.terminology.addCodeSystem(one.res)
	}
}

// readFile reads one file. One that is no resource (the package.json of a
// published package) comes back as an empty one.
func readFile(folder fs.FS, name string) (file, error) {
	text, err := readBounded(folder, name)
	if err != nil {
		return file{}, &LoadError{File: name, Text: err.Error()}
	}
	var r *fhir.Resource
	if path.Ext(name) == ".xml" {
		r, err = fhirxml.ToJSON(text, r4.Tables)
	} else {
		r, err = fhir.Parse(text)
	}
	if err != nil {
		return file{}, &LoadError{File: name, Text: err.Error(), terminology: terminologyFile.Match(text[:min(len(text), 4096)])}
	}
	switch r.Type() {
	case "StructureDefinition", "ValueSet", "CodeSystem":
		// A rule that R4 doesn't know could be one that matters.
		for _, issue := range validate.Resource(r, validate.Options{}).Issues {
			if issue.Class == validate.Structure {
				return file{}, &LoadError{File: name, Text: issue.Expression + ": " + issue.Text, terminology: r.Type() != "StructureDefinition"}
			}
		}
	}
	return file{name, r}, nil
}

// terminologyFile tells a CodeSystem or ValueSet that can't be parsed. Published
// packages hold such files, and only few bindings need their codes.
var terminologyFile = regexp.MustCompile(`^\s*(<\?[^>]*\?>\s*)?<(CodeSystem|ValueSet)\b|"resourceType"\s*:\s*"(CodeSystem|ValueSet)"`)

func readBounded(folder fs.FS, name string) ([]byte, error) {
	f, err := folder.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return nil, err
	}
	if len(text) > maxFile {
		return nil, errors.New("the file is too large")
	}
	return text, nil
}
