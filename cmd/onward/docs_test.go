package main

import (
	"os"
	"reflect"
	"testing"

	"github.com/stretchr/testify/require"
)

// Ensure that the operations page has every flag with its variable and default.
func TestTheOperationsPageHasEveryFlag(t *testing.T) {
	page, err := os.ReadFile("../../docs/operations.md")
	require.NoError(t, err)
	requireFlags(t, string(page), reflect.TypeFor[serveCommand]())
}

func requireFlags(t *testing.T, page string, flags reflect.Type) {
	for i := range flags.NumField() {
		field := flags.Field(i)
		if !field.IsExported() { // no flag
			continue
		}
		if _, embedded := field.Tag.Lookup("embed"); embedded {
			requireFlags(t, page, field.Type)
			continue
		}
		require.Contains(t, page, "`"+field.Tag.Get("env")+"`", field.Name)
		if value := field.Tag.Get("default"); value != "" {
			require.Contains(t, page, "`"+value+"`", field.Name)
		}
	}
}
