// Package nhs holds facts about the NHS that no single door owns: the NHS
// number and its check digit, ODS organisation codes, service ids, the
// identifier systems and their many spellings, UK Core extension addresses and
// Europe/London time.
//
// It holds no booking or referral rule and does no I/O. The room and every door
// use it.
package nhs
