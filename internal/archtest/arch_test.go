package archtest

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const root = "../.." // of the repository, from this package

// pkg is what `go list -json` says of a package.
type pkg struct {
	ImportPath, Dir, Doc                        string
	GoFiles, Imports, TestImports, XTestImports []string
}

func packages(t *testing.T) []pkg {
	t.Helper()
	cmd := exec.Command("go", "list", "-json=ImportPath,Dir,Doc,GoFiles,Imports,TestImports,XTestImports", "./...")
	cmd.Dir = root
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	require.NoError(t, err, stderr.String())

	var all []pkg
	for decoder := json.NewDecoder(bytes.NewReader(out)); ; {
		var p pkg
		err := decoder.Decode(&p)
		if errors.Is(err, io.EOF) {
			break
		}
		require.NoError(t, err)
		all = append(all, p)
	}
	require.NotEmpty(t, all)
	return all
}

func TestImportsGoOneWay(t *testing.T) {
	for _, p := range packages(t) {
		if _, known := mayImport[kind(layer(p.ImportPath))]; !known {
			t.Errorf("%s lies in a folder that the design doesn't know", p.ImportPath)
		}
		imports := slices.Concat(p.Imports, p.TestImports, p.XTestImports)
		slices.Sort(imports)
		for _, imported := range slices.Compact(imports) {
			if problem := check(p.ImportPath, imported); problem != "" {
				t.Error(problem)
			}
		}
	}
}

func TestEveryPackageHasAComment(t *testing.T) {
	for _, p := range packages(t) {
		if len(p.GoFiles) == 0 {
			continue // tests only, such as the black-box suites
		}
		if strings.TrimSpace(p.Doc) == "" {
			t.Errorf("%s has no package comment", p.ImportPath)
		}
	}
}

var (
	generated = regexp.MustCompile(`(?m)^// Code generated .* DO NOT EDIT\.$`)
	longest   = 500
)

func TestNoGoFileIsLongerThan500Lines(t *testing.T) {
	files := goFiles(t)
	require.NotEmpty(t, files)
	for _, name := range files {
		text, err := os.ReadFile(filepath.Join(root, name))
		if errors.Is(err, fs.ErrNotExist) {
			continue // tracked and just removed
		}
		require.NoError(t, err)
		if lines := bytes.Count(text, []byte("\n")); lines > longest && !generated.Match(text) {
			t.Errorf("%s has %d lines, more than %d", name, lines, longest)
		}
	}
}

// goFiles lists the tracked Go files, or all of them where there is no git (a
// source archive).
func goFiles(t *testing.T) []string {
	t.Helper()
	cmd := exec.Command("git", "ls-files", "*.go")
	cmd.Dir = root
	if out, err := cmd.Output(); err == nil && len(out) > 0 {
		return strings.Fields(string(out))
	}
	var files []string
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && !entry.IsDir() && strings.HasSuffix(path, ".go") {
			rel, err := filepath.Rel(root, path)
			files = append(files, rel)
			return err
		}
		return err
	})
	require.NoError(t, err)
	return files
}

func TestTheImportRulesAreTheDesigns(t *testing.T) {
	for _, tc := range []struct {
		from, to string
		allowed  bool
	}{
		{"cmd/onward", "adapters/nhs111", true},
		{"cmd/onward", "store/sqlite", true},
		{"cmd/onward", "internal/httpx", true},
		{"portal", "journey", true},
		{"adapters/nhs111", "bars", true},
		{"adapters/nhs111", "nhs", true},
		{"adapters/nhs111", "adapters/nhs111/soap", true},
		{"conformance", "bars", true},
		{"journey", "bars", true},
		{"bars", "store", true},
		{"bars", "nhs", true},
		{"store/sqlite", "store", true},
		{"store", "fhir/search", true},
		{"fhir/rest", "fhir/search", true},
		{"nhs", "fhir", true},
		{"internal/audit", "store", true},
		{"internal/audit", "fhir", true},

		{"adapters/nhs111", "adapters/dos", false},
		{"adapters/nhs111", "portal", false},
		{"adapters/nhs111", "conformance", false},
		{"portal", "adapters/nhs111", false},
		{"portal", "conformance", false},
		{"conformance", "portal", false},
		{"bars", "journey", false},
		{"bars", "adapters/nhs111", false},
		{"journey", "portal", false},
		{"store", "bars", false},
		{"store/sqlite", "nhs", false},
		{"store", "internal/audit", false},
		{"fhir", "store", false},
		{"fhir/rest", "nhs", false},
		{"fhir", "internal/audit", false},
		{"nhs", "store", false},
		{"nhs", "internal/audit", false},
		{"internal/audit", "bars", false},
		{"internal/audit", "adapters/nhs111", false},
		{"bars", "cmd/onward", false},
		{"bars", "", false},
		{"util", "fhir", false},
	} {
		to := strings.TrimSuffix(module+"/"+tc.to, "/")
		require.Equal(t, tc.allowed, check(module+"/"+tc.from, to) == "", "%s → %s", tc.from, tc.to)
	}
	require.Empty(t, check(module+"/fhir", "github.com/onward-health/onward-other/x"))
}
