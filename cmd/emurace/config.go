package main

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"github.com/BurntSushi/toml"
	"github.com/urfave/cli/v2"

	"emurace/internal/files"
)

// Bounds of a config file. The commands have some thirty flags each.
const (
	maxConfig = 64 << 10 // bytes
	maxKeys   = 1000     // keys and values of lists, all tables together
)

// applyConfig sets the flags that neither the command line nor the environment
// has set from the user's config file: a TOML file with a table a command, keys
// named as the flags.
func applyConfig(c *cli.Context) error {
	dir, err := os.UserConfigDir()
	if err != nil {
		return nil // without a home there is no config
	}
	name := filepath.Join(dir, "emurace", "config.toml")
	wrong := func(err error, hint string) error {
		return environmentError(fmt.Errorf("config file %s: %w", name, err), hint)
	}
	data, err := files.Read(name, maxConfig)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return wrong(err, configHint)
	}
	config, err := parseConfig(data, tablesOf(c.App.Commands))
	if err != nil {
		return wrong(err, configHint)
	}
	settings := config[c.Command.Name] // nil without the table
	for _, key := range slices.Sorted(maps.Keys(settings)) {
		known := slices.ContainsFunc(c.Command.Flags, func(f cli.Flag) bool { return slices.Contains(f.Names(), key) })
		if !known {
			return wrong(fmt.Errorf("%s: no flag %q", c.Command.Name, key), fmt.Sprintf("emurace %s --help lists the flags", c.Command.Name))
		}
		if c.IsSet(key) {
			continue
		}
		for _, v := range settings[key] {
			if err := c.Set(key, v); err != nil {
				return wrong(fmt.Errorf("%s: %s %q: not %s", c.Command.Name, key, v, wanted(c, key)), configHint)
			}
		}
	}
	return nil
}

const configHint = "see the section on configuration in README.md"

// tablesOf are the tables that a config file may have: those of the commands that do
// something.
func tablesOf(commands []*cli.Command) []string {
	var list []string
	for _, c := range commands {
		if len(c.Subcommands) > 0 {
			list = append(list, tablesOf(c.Subcommands)...)
			continue
		}
		list = append(list, c.Name)
	}
	return list
}

// parseConfig is what the tables of a config file set, by command and flag: a value, or
// those of a list. Of several things that are wrong it tells always the same.
func parseConfig(data []byte, tables []string) (map[string]map[string][]string, error) {
	if err := checkDepth(string(data)); err != nil {
		return nil, err
	}
	var parsed map[string]any
	if _, err := toml.Decode(string(data), &parsed); err != nil {
		return nil, err
	}
	config := map[string]map[string][]string{}
	n := 0
	for _, table := range slices.Sorted(maps.Keys(parsed)) {
		if !slices.Contains(tables, table) {
			return nil, fmt.Errorf("no command %q", table)
		}
		settings, ok := parsed[table].(map[string]any)
		if !ok {
			return nil, fmt.Errorf("%s: not a table", table)
		}
		config[table] = map[string][]string{}
		for _, key := range slices.Sorted(maps.Keys(settings)) {
			values, err := valuesOf(settings[key])
			if err != nil {
				return nil, fmt.Errorf("%s: %s: %w", table, key, err)
			}
			if n += 1 + len(values); n > maxKeys {
				return nil, fmt.Errorf("more than %d keys and values", maxKeys)
			}
			config[table][key] = values
		}
	}
	return config, nil
}

// valuesOf is a value as on the command line, or those of a list of such.
func valuesOf(value any) ([]string, error) {
	list, ok := value.([]any)
	if !ok {
		list = []any{value}
	}
	var texts []string
	for _, v := range list {
		switch v.(type) {
		case string, bool, int64, float64:
			texts = append(texts, fmt.Sprint(v))
		default:
			return nil, errors.New("not a text, a number, true or false, or a list of these")
		}
	}
	return texts, nil
}
