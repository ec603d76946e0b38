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
	typ := reflect.TypeFor[serveCommand]()
	for i := range typ.NumField() {
		tag := typ.Field(i).Tag
		require.Contains(t, string(page), "`"+tag.Get("env")+"`", typ.Field(i).Name)
		if value := tag.Get("default"); value != "" {
			require.Contains(t, string(page), "`"+value+"`", typ.Field(i).Name)
		}
	}
}
