package main

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestReportShowsPackagesFailuresAndSkipsAndCounts(t *testing.T) {
	var out strings.Builder
	failed, err := report(strings.NewReader(`go: downloading something
{"Action":"start","Package":"p"}
{"Action":"run","Package":"p","Test":"TestA"}
{"Action":"output","Package":"p","Test":"TestA","Output":"=== RUN   TestA\n"}
{"Action":"output","Package":"p","Test":"TestA","Output":"    noise of a pass\n"}
{"Action":"output","Package":"p","Test":"TestB","Output":"    b_test.go:1: why it failed\n"}
{"Action":"output","Package":"p","Test":"TestB","Output":"--- FAIL: TestB\n"}
{"Action":"fail","Package":"p","Test":"TestB"}
{"Action":"pass","Package":"p","Test":"TestA"}
{"Action":"output","Package":"p","Output":"FAIL\tp\t0.1s\n"}
{"Action":"fail","Package":"p"}
{"Action":"output","Package":"q","Test":"TestC","Output":"    c_test.go:1: no samples here\n"}
{"Action":"output","Package":"q","Test":"TestC","Output":"--- SKIP: TestC\n"}
{"Action":"skip","Package":"q","Test":"TestC"}
{"Action":"output","Package":"q","Output":"PASS\n"}
{"Action":"output","Package":"q","Output":"ok  \tq\t0.1s\n"}
{"Action":"pass","Package":"q"}
{"Action":"output","Package":"r","Output":"?   \tr\t[no test files]\n"}
{"Action":"skip","Package":"r"}
`), &out)
	require.NoError(t, err)
	require.True(t, failed)
	require.Equal(t, `go: downloading something
    b_test.go:1: why it failed
--- FAIL: TestB
FAIL	p	0.1s
    c_test.go:1: no samples here
--- SKIP: TestC
ok  	q	0.1s
?   	r	[no test files]
1 passed, 1 failed, 1 skipped
`, out.String())
}

func TestReportCountsAPackageThatDoesNotBuildAsAFailure(t *testing.T) {
	var out strings.Builder
	failed, err := report(strings.NewReader(`{"Action":"build-output","ImportPath":"p","Output":"p.go:1: syntax error\n"}
{"Action":"build-fail","ImportPath":"p"}
{"Action":"output","Package":"p","Output":"FAIL\tp [build failed]\n"}
{"Action":"fail","Package":"p"}
`), &out)
	require.NoError(t, err)
	require.True(t, failed)
	require.Equal(t, "p.go:1: syntax error\nFAIL\tp [build failed]\n0 passed, 1 failed, 0 skipped\n", out.String())
}

func TestReportShowsWhatACrashLeft(t *testing.T) {
	var out strings.Builder
	failed, err := report(strings.NewReader(`{"Action":"output","Package":"p","Test":"TestA","Output":"panic: boom\n"}
{"Action":"fail","Package":"p"}
`), &out)
	require.NoError(t, err)
	require.True(t, failed)
	require.Equal(t, "panic: boom\n0 passed, 1 failed, 0 skipped\n", out.String())
}

func TestReportOfPassesOnlyIsNoFailure(t *testing.T) {
	var out strings.Builder
	failed, err := report(strings.NewReader(`{"Action":"pass","Package":"p","Test":"TestA"}`), &out)
	require.NoError(t, err)
	require.False(t, failed)
	require.Equal(t, "1 passed, 0 failed, 0 skipped\n", out.String())
}
