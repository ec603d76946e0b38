package main

import (
	"fmt"
	"os"
	"reflect"
	"strings"

	"github.com/alecthomas/kong"

	"github.com/onward-health/onward/internal/config"
)

// configFile is the flag of every command that takes settings of the server.
type configFile struct {
	Config string `env:"ONWARD_CONFIG" placeholder:"FILE" help:"YAML file of settings, for what no flag and no variable says."`
}

// configFlag is the name of that flag, the one setting that no file can hold.
const configFlag = "config"

// settingKey is where the setting of a server's flag stands in a file: --bars-mode
// is the key mode of the group bars.
func settingKey(flag string) string {
	group, name, found := strings.Cut(flag, "-")
	switch group {
	case "bars", "dos", "fhir", "nhs111", "tls":
		if found {
			return group + "." + name
		}
	}
	return flag
}

// settings says where each setting of this run comes from. A setting is known by
// its environment variable: the same one of two commands is one setting.
type settings struct {
	file *config.File // nil: none was named
	keys map[string]string
	ctx  *kong.Context
}

// BeforeResolve reads the file of settings, where the command takes one and one is
// named: the whole of it must be right, be it used by this command or not.
func (c *cli) BeforeResolve(ctx *kong.Context) error {
	known, keys := settingsOf(ctx.Model)
	c.given = &settings{keys: keys, ctx: ctx}
	for _, flag := range ctx.Flags() {
		name, is := ctx.FlagValue(flag).(string)
		if flag.Name != configFlag || !is || name == "" {
			continue
		}
		file, err := config.Load(name, known)
		if err != nil {
			return &exitError{exitUsage, err}
		}
		c.given.file = file
		ctx.AddResolver(c.given)
	}
	return nil
}

// AfterApply refuses a password on the command line, which everybody on the
// machine can see.
func (c *cli) AfterApply() error {
	for _, flag := range c.given.ctx.Flags() {
		o := c.given.origin(flag)
		if o.by == byFlag && len(flag.Envs) > 0 && config.HoldsPassword(plainValue(flag)) {
			return usage("--%s holds a password, which everybody on this machine can see: give it by %s, or a setting by a file", flag.Name, flag.Envs[0])
		}
	}
	return nil
}

// settingsOf lists the settings that a file may hold, made from the flags of the
// server, with their keys by environment variable.
func settingsOf(app *kong.Application) ([]config.Setting, map[string]string) {
	var known []config.Setting
	keys := map[string]string{}
	for _, flag := range serverFlags(app) {
		s := config.Setting{Key: settingKey(flag.Name), Flag: flag.Name, Joined: flag.Tag.Get("joined"), Kind: kindOf(flag.Target.Type())}
		if flag.Enum != "" {
			s.Enum = flag.EnumSlice()
		}
		s.Valid = func(value any) bool {
			scan := kong.Scan().PushTyped(value, kong.FlagValueToken)
			return flag.Mapper.Decode(&kong.DecodeContext{Value: flag.Value, Scan: scan}, reflect.New(flag.Target.Type()).Elem()) == nil
		}
		known = append(known, s)
		keys[flag.Envs[0]] = s.Key
	}
	return known, keys
}

// serverFlags are those flags of serve that are settings.
func serverFlags(app *kong.Application) []*kong.Flag {
	var flags []*kong.Flag
	for _, node := range app.Children {
		if node.Name != "serve" {
			continue
		}
		for _, flag := range node.Flags {
			if len(flag.Envs) > 0 && flag.Name != configFlag {
				flags = append(flags, flag)
			}
		}
	}
	return flags
}

func kindOf(t reflect.Type) config.Kind {
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch t.Kind() {
	case reflect.Bool:
		return config.Bool
	case reflect.Int64:
		if t.Name() == "int64" { // a duration is written as a text
			return config.Number
		}
	case reflect.Int:
		return config.Number
	case reflect.Slice:
		return config.List
	case reflect.Map:
		return config.Map
	}
	return config.Text
}

// Validate has nothing to do: the file was checked when it was read.
func (s *settings) Validate(*kong.Application) error { return nil }

// Resolve finds a flag's value in the file. Kong asks it where the command line
// says nothing, but before the environment, which goes before the file.
func (s *settings) Resolve(_ *kong.Context, _ *kong.Path, flag *kong.Flag) (any, error) {
	if variable(flag) != "" || len(flag.Envs) == 0 {
		return nil, nil
	}
	v, _ := s.file.Get(s.keys[flag.Envs[0]])
	return v.Value, nil
}

// variable is the environment variable that sets a flag, "" if none does. One that
// is set to nothing sets it to nothing.
func variable(flag *kong.Flag) string {
	for _, name := range flag.Envs {
		if _, set := os.LookupEnv(name); set {
			return name
		}
	}
	return ""
}

// source is a kind of place that settings come from.
type source int

const (
	byDefault source = iota
	byFile
	byEnvironment
	byFlag
)

// origin is where a setting comes from.
type origin struct {
	by   source
	text string // the place in words
}

func (s *settings) origin(flag *kong.Flag) origin {
	for _, path := range s.ctx.Path {
		if path.Flag == flag && !path.Resolved {
			return origin{byFlag, "flag --" + flag.Name}
		}
	}
	if name := variable(flag); name != "" {
		return origin{byEnvironment, "environment " + name}
	}
	if len(flag.Envs) > 0 {
		if v, found := s.file.Get(s.keys[flag.Envs[0]]); found {
			return origin{byFile, fmt.Sprintf("file %s:%d", s.file.Name, v.Line)}
		}
	}
	return origin{byDefault, "default"}
}

// isGiven says whether anything but the default sets a flag of the server.
func (s *settings) isGiven(name string) bool {
	for _, flag := range serverFlags(s.ctx.Model) {
		if flag.Name == name {
			return s.origin(flag).by != byDefault
		}
	}
	return false
}
