package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"github.com/alecthomas/kong"

	"github.com/onward-health/onward/internal/config"
)

// show prints every setting with its value and where that comes from, as a file of
// settings: one that is left at nothing is a comment. No password is in it.
func (s *settings) show(w io.Writer) {
	flags := serverFlags(s.ctx.Model)
	slices.SortStableFunc(flags, func(a, b *kong.Flag) int { // groups in one piece, after the rest
		return strings.Compare(settingGroup(a), settingGroup(b))
	})
	last, indent := "", ""
	for _, flag := range flags {
		if group := settingGroup(flag); group != last {
			fmt.Fprintf(w, "%s:\n", group)
			last, indent = group, "  "
		}
		name := strings.TrimPrefix(settingKey(flag.Name), last+".")
		from := s.origin(flag)
		if value := plainValue(flag); from.by != byDefault || !isNothing(value) {
			fmt.Fprintf(w, "%s%s: %s  # %s\n", indent, name, shown(value), from.text)
			continue
		}
		fmt.Fprintf(w, "%s# %s:\n", indent, name)
	}
	if os.Getenv(passwordVariable) != "" {
		fmt.Fprintf(w, "# The password of the Directory of Services is set: environment %s\n", passwordVariable)
	}
}

// settingGroup is the group of a flag's setting, "" if it has none.
func settingGroup(flag *kong.Flag) string {
	group, _, found := strings.Cut(settingKey(flag.Name), ".")
	if !found {
		return ""
	}
	return group
}

// plainValue is a flag's value as a file would hold it; nil if it has none.
func plainValue(flag *kong.Flag) any {
	v := flag.Target
	if v.Kind() == reflect.Pointer {
		if v.IsNil() {
			return nil
		}
		v = v.Elem()
	}
	switch kindOf(v.Type()) {
	case config.Bool:
		return v.Bool()
	case config.Number:
		return v.Int()
	case config.List:
		list := make([]any, v.Len())
		for i := range list {
			list[i] = fmt.Sprint(v.Index(i))
		}
		return list
	case config.Map:
		out := map[string]any{}
		for _, key := range v.MapKeys() {
			out[fmt.Sprint(key)] = fmt.Sprint(v.MapIndex(key))
		}
		return out
	}
	return fmt.Sprint(v)
}

// isNothing says whether a value is what a setting has that nobody set.
func isNothing(value any) bool {
	switch v := value.(type) {
	case nil:
		return true
	case string:
		return v == ""
	case []any:
		return len(v) == 0
	case map[string]any:
		return len(v) == 0
	}
	return false
}

// plainText is a text that YAML takes as one without quotes.
var plainText = regexp.MustCompile(`^[a-z][a-z0-9/.-]*(:[a-z0-9/.:-]*[a-z0-9/.-])?$`)

// shown is a value as YAML, without passwords.
func shown(value any) string {
	switch v := value.(type) {
	case string:
		value = config.Hide(v)
		if plainText.MatchString(v) && v != "true" && v != "false" && v != "null" && value == v {
			return v
		}
	case []any:
		hidden := make([]any, len(v))
		for i, one := range v {
			hidden[i] = config.Hide(one.(string))
		}
		value = hidden
	case map[string]any:
		hidden := map[string]any{}
		for key, one := range v {
			hidden[key] = config.Hide(one.(string))
		}
		value = hidden
	}
	var out bytes.Buffer
	encoder := json.NewEncoder(&out) // JSON is YAML, on one line
	encoder.SetEscapeHTML(false)
	_ = encoder.Encode(value) // of texts, numbers and truth values nothing fails
	return strings.TrimSpace(out.String())
}
