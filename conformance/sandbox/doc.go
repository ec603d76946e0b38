// Package sandbox makes the sample organisations, services, schedules and slots
// that a fresh Onward offers, with fixed ids that examples and tests rely on.
// Nobody's data is in it and none of it is meant for real use.
//
// It only makes resources; the room stores them. cmd and tests use it.
package sandbox
