package nhs111

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/onward-health/onward/fhir"
	"github.com/onward-health/onward/internal/xmltree"
)

// leaf is one value of a document that a test can change: an attribute or a run
// of text.
type leaf struct {
	path  string
	value *string
	last  string // name of the attribute, else of the element
}

// leavesOf lists the values of an element. A second element of a name has its
// number in the path, an entry of a template that isn't read the template.
func leavesOf(n *xmltree.Node, path string, out []leaf) []leaf {
	for i := range n.Attrs {
		if a := &n.Attrs[i]; a.Space == "" {
			out = append(out, leaf{path + "/@" + a.Local, &a.Value, a.Local})
		}
	}
	count := map[string]int{}
	for _, c := range n.Children {
		if c.Local == "" {
			if strings.TrimSpace(c.Text) != "" {
				out = append(out, leaf{path, &c.Text, n.Local})
			}
			continue
		}
		below := path + "/" + c.Local
		if c.Local == "entry" {
			below += "[" + templateOf(c) + "]"
		}
		if count[below]++; count[below] > 1 {
			below += fmt.Sprintf("[%d]", count[below])
		}
		out = leavesOf(c, below, out)
	}
	return out
}

// serialised writes a tree, every element with its own namespace.
func serialised(n *xmltree.Node, b *strings.Builder) {
	if n.Local == "" {
		b.WriteString(xmltree.EscapeText(n.Text))
		return
	}
	fmt.Fprintf(b, `<%s xmlns="%s"`, n.Local, n.Space)
	for i, a := range n.Attrs {
		name := a.Local
		if a.Space != "" {
			name = fmt.Sprintf("p%d:%s", i, a.Local)
			fmt.Fprintf(b, ` xmlns:p%d="%s"`, i, a.Space)
		}
		fmt.Fprintf(b, ` %s="%s"`, name, xmltree.EscapeAttr(a.Value))
	}
	b.WriteString(">")
	for _, c := range n.Children {
		serialised(c, b)
	}
	b.WriteString("</" + n.Local + ">")
}

var (
	fingerprints = regexp.MustCompile(`"(hash|size)":("[^"]*"|\d+)`)
	step         = regexp.MustCompile(`\[\d+\]`)
	ofStructure  = regexp.MustCompile(`/(templateId|contentId|messageType|typeId|realmCode)/`)
)

// said is what the resources of a mapping say, without the original and without
// the sums over it.
func said(m *Mapped) string {
	var b strings.Builder
	for _, entry := range entriesOf(m) {
		switch r := entry.Resource; r.Type() {
		case "Binary", "Provenance":
		case "DocumentReference":
			b.WriteString(fingerprints.ReplaceAllString(string(r.JSON()), ""))
		default:
			b.Write(r.JSON())
		}
	}
	return b.String()
}

// kindOfLeaf is the end of a path: what the mapping reads by the same code.
func kindOfLeaf(path string) string {
	steps := strings.Split(step.ReplaceAllString(path, ""), "/")
	return strings.Join(steps[max(0, len(steps)-3):], "/")
}

// another is a value of the same kind, and how it would show in FHIR; shown is ""
// where only that something changed can be asked for.
func another(l leaf, n int) (value, shown string) {
	old := strings.TrimSpace(*l.value)
	switch {
	case l.last == "use" && strings.HasSuffix(l.path, "name/@use") || strings.Contains(l.path, "/name[") && l.last == "use":
		return map[bool]string{true: "PREFERRED", false: "A"}[old == "A"], ""
	case l.last == "use" && old == "WP":
		return "H", ""
	case l.last == "use":
		return "WP", ""
	case l.last == "listType" || l.last == "rowspan":
		return "x", ""
	case l.last == "revised":
		return map[bool]string{true: "insert", false: "delete"}[old == "delete"], ""
	case old == "true":
		return "false", ""
	case old == "false":
		return "true", ""
	case l.last == "value" && strings.HasPrefix(old, "tel:"):
		return fmt.Sprintf("tel:0999 %d", n), fmt.Sprintf("0999 %d", n)
	case l.last == "versionNumber" || strings.Contains(l.path, "versionNumber"):
		return "7", ""
	case l.last == "root" && fhir.ValidUUID(old):
		id := fmt.Sprintf("0000ABCD-0000-4000-8000-%012d", n)
		return id, strings.ToLower(id)
	case l.last == "root" || l.last == "codeSystem":
		return fmt.Sprintf("1.9.8.%d", n), fmt.Sprintf("urn:oid:1.9.8.%d", n)
	}
	if t, err := parseHL7Time(old); err == nil && l.last == "value" {
		t.At = t.At.AddDate(0, 0, 1+n%20) // of the same precision
		written := t.At.Format("20060102150405"[:t.Digits])
		if t.Digits > 8 {
			written = t.At.UTC().Format("20060102150405"[:t.Digits]) + "+00"
		}
		return written, t.dateTime()
	}
	return fmt.Sprintf("MK%dX", n), fmt.Sprintf("MK%dX", n)
}

// covered says whether a list accounts for a path. A number in the list's own
// path counts, else any of the name is meant.
func covered(list []Omission, path string) bool {
	return slices.ContainsFunc(list, func(o Omission) bool {
		plain := strings.NewReplacer("["+templateCase+"]", "", "["+templatePermission+"]", "", "["+templateDiscriminator+"]", "", "["+templateAppointment+"]", "")
		own := strings.TrimSuffix(o.Path, "/text()")
		if own = strings.TrimSuffix(own, "[2]"); own != o.Path && !strings.HasSuffix(o.Path, "/text()") {
			rest, found := strings.CutPrefix(plain.Replace(path), plain.Replace(own))
			return found && step.MatchString(rest)
		}
		flat := plain.Replace(step.ReplaceAllString(path, ""))
		if strings.HasPrefix(path, "AmbulanceRequest/") { // problems are named by a document's paths
			theirs := strings.Split(own, "/")
			near := "/" + strings.Join(theirs[max(0, len(theirs)-2):], "/")
			return Omission{Path: own}.covers(flat) || strings.Contains(flat+"/", near+"/")
		}
		flat = strings.ReplaceAll(flat, "/section/component/section/component/section", "/section/component/section")
		flat = strings.ReplaceAll(flat, "/section/component/section/component/section", "/section/component/section")
		return Omission{Path: own}.covers(flat) || Omission{Path: own}.covers(path)
	})
}

// Each value of a document is changed, one at a time: the change must show in the
// resources, or what the mapping says that only the document holds must name the
// place, or the document is refused. Nothing is lost in silence.
func TestNoValueOfADocumentIsLostInSilence(t *testing.T) {
	for _, c := range []struct {
		file  string
		least int
	}{{"report.xml", 250}, {"everything.xml", 1500}, {"ambulance.xml", 100}} {
		t.Run(c.file, func(t *testing.T) {
			body := composeFrom(t, c.file)
			base, _, err := through(body, "", strictRules())
			require.NoError(t, err)
			requireSound(t, base)
			require.Less(t, len(base.Omitted), maxOmitted, "the list isn't cut off")
			before := said(base)
			root, err := xmltree.Read(body, xmltree.Rules{})
			require.NoError(t, err)
			document := root.Child("Body").Elements()[0].Child("payloads", "payload").Elements()[0]
			all := leavesOf(document, document.Local, nil)
			require.Greater(t, len(all), c.least)
			structure := slices.DeleteFunc(slices.Clone(NotCarried), func(o Omission) bool { return !o.Structure })
			var wanted []int
			for i, l := range all {
				if !structural(l.last) && !covered(structure, l.path) && !ofStructure.MatchString(l.path) {
					wanted = append(wanted, i)
				}
			}
			mapping := func(indexes []int) *Mapped {
				for _, i := range indexes {
					was := *all[i].value
					*all[i].value, _ = another(all[i], i)
					defer func() { *all[i].value = was }()
				}
				var b strings.Builder
				serialised(root, &b)
				mapped, _, err := through([]byte(b.String()), "", strictRules())
				if err != nil {
					return nil
				}
				return mapped
			}
			changed := 0
			judge := func(indexes []int, mapped *Mapped) {
				after := said(mapped)
				for _, i := range indexes {
					changed++
					value, shown := another(all[i], i)
					if shown != "" && strings.Contains(after, shown) || shown == "" && after != before || covered(mapped.Omitted, all[i].path) {
						continue
					}
					t.Errorf("%s: %q instead of %q shows nowhere", all[i].path, value, *all[i].value)
				}
			}
			// Values that show as they are can change many at a time, wide apart.
			const apart = 10
			// Of those that only make a difference one of a kind does: alone.
			groups, kinds := make([][]int, apart), map[string]bool{}
			for n, i := range wanted {
				if _, shown := another(all[i], i); shown != "" {
					groups[n%apart] = append(groups[n%apart], i)
				} else if kind := kindOfLeaf(all[i].path); !kinds[kind] {
					kinds[kind] = true
					groups = append(groups, []int{i})
				}
			}
			for _, group := range groups {
				if mapped := mapping(group); mapped != nil {
					judge(group, mapped)
					continue
				}
				for _, i := range group {
					if mapped := mapping([]int{i}); mapped != nil { // else it is refused
						judge([]int{i}, mapped)
					}
				}
			}
			require.Greater(t, changed, len(all)/2)
		})
	}
}

func TestWhatIsNotCarriedIsShownAndNamedInTheProvenance(t *testing.T) {
	shown, named := map[string]bool{}, map[string]bool{}
	for _, file := range []string{"report.xml", "everything.xml", "ambulance.xml"} {
		body := composeFrom(t, file)
		mapped, e, err := through(body, "", strictRules())
		require.NoError(t, err)
		document := payloadElement(e.Payloads[0])
		for _, l := range leavesOf(document, document.Local, nil) {
			for _, o := range NotCarried {
				shown[o.Path] = shown[o.Path] || covered([]Omission{o}, l.path)
			}
		}
		issues := resourcesOf(mapped)["Provenance"][0].Get("contained").At(0).Get("issue")
		require.Equal(t, len(mapped.Omitted), issues.Len())
		for i, o := range mapped.Omitted {
			require.False(t, o.Structure, "what is only structure says nothing about the patient")
			require.NotEmpty(t, o.Why, o.Path)
			require.Equal(t, o.Path, issues.At(i).Dig("expression").At(0).Text())
			named[o.Path] = true
		}
	}
	for _, o := range NotCarried {
		require.NotEmpty(t, o.Why, o.Path)
		require.True(t, shown[o.Path], "no composed document shows %s", o.Path)
		if !o.Structure {
			require.True(t, named[o.Path], "no mapping names %s", o.Path)
		}
	}
}

func TestWhatNoReportHasIsNamedWhereItStands(t *testing.T) {
	paths := func(edits ...edit) []string {
		mapped, _, err := through(compose(t, edits...), "", strictRules())
		require.NoError(t, err)
		var out []string
		for _, o := range mapped.Omitted {
			out = append(out, o.Path)
		}
		return out
	}
	text := string(compose(t))
	require.Contains(t, paths(), "ClinicalDocument/copyTime")
	require.NotContains(t, paths(edit{cut(t, text, "<copyTime", "/>"), ""}), "ClinicalDocument/copyTime")
	for what, want := range map[edit]string{
		{"<languageCode", "<newElement/><languageCode"}:                                      "ClinicalDocument/newElement",
		{`<versionNumber value="2"/>`, `<versionNumber value="2" other="x"/>`}:               "ClinicalDocument/versionNumber/@other",
		{"<custodian ", "loose text<custodian "}:                                             "ClinicalDocument/text()",
		{"<confidentialityCode", "<x:title xmlns:x='urn:x'>t</x:title><confidentialityCode"}: "ClinicalDocument/title",
	} {
		require.Contains(t, paths(what), want)
	}
	require.Contains(t, paths(edit{composedSpec, "copyRecipientNHS111CDADocument-v2-0"}), "ClinicalDocument/component", "a copy's content isn't mapped")
	require.Contains(t, paths(edit{`code="2" codeSystem="2.16.840.1.113883.2.1.3.2.4.16.25"`, `code="X"`}),
		"ClinicalDocument/recordTarget/patientRole/patient/administrativeGenderCode/@code", "a code that says nothing known")
}
