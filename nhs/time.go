package nhs

import (
	"time"
	_ "time/tzdata" // a bare machine may have no zone files
)

// London is the wall clock of people in the NHS.
var London = mustLoad("Europe/London")

func mustLoad(name string) *time.Location {
	l, err := time.LoadLocation(name)
	if err != nil {
		panic("nhs: " + err.Error()) // tzdata is linked in
	}
	return l
}
