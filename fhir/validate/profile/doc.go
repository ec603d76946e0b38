// Package profile checks resources against profiles: StructureDefinitions of R4
// with derivation constraint, read from a folder together with the ValueSets and
// CodeSystems that their bindings name (R4 profiling.html). $validate uses it,
// and the room where the operator has profiles enforced on writes; nothing else
// does, so that a write which asks for no profile doesn't pay for them.
//
// A profile is built from its differential upon that of its base, down to the
// tables of R4; a snapshot is read only where the base isn't in the folder. What
// is checked: cardinality, fixed[x] and pattern[x], slicing by value, pattern,
// type, exists and profile, allowed types and reference targets (by type),
// required bindings to value sets that can be enumerated, maxLength, extensions
// by their definitions, data type profiles.
//
// What a profile asks for beyond that is listed by Set.Unenforced, element by
// element. Always left out, and so not listed: mustSupport (it binds software,
// not data), where an extension may be used (its context), and whether the
// resource that a reference leads to keeps the target profile. The rules of R4
// itself are package validate's.
package profile
