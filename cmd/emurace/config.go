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
)

// configTables are the tables that a config file may have: the commands with
// flags.
var configTables = []string{"explore", "replay", "list", "pull", "version"}

// applyConfig sets the flags that neither the command line nor the environment
// has set from the user's config file: a TOML file with a table a command, keys
// named as the flags.
func applyConfig(c *cli.Context) error {
	dir, err := os.UserConfigDir()
	if err != nil {
		return nil // without a home there is no config
	}
	name := filepath.Join(dir, "emurace", "config.toml")
	const hint = "see the section on configuration in README.md"
	var config map[string]any
	if _, err := toml.DecodeFile(name, &config); errors.Is(err, fs.ErrNotExist) {
		return nil
	} else if err != nil {
		return surroundings(fmt.Errorf("config file %s: %w", name, err), hint)
	}
	// In the order of the names, so that of several errors the same is told.
	for _, table := range slices.Sorted(maps.Keys(config)) {
		if !slices.Contains(configTables, table) {
			return surroundings(fmt.Errorf("config file %s: no command %q", name, table), hint)
		}
		if _, ok := config[table].(map[string]any); !ok {
			return surroundings(fmt.Errorf("config file %s: %s: not a table", name, table), hint)
		}
	}
	settings, _ := config[c.Command.Name].(map[string]any) // nil without the table
	for _, key := range slices.Sorted(maps.Keys(settings)) {
		value := settings[key]
		known := slices.ContainsFunc(c.Command.Flags, func(f cli.Flag) bool { return slices.Contains(f.Names(), key) })
		if !known {
			return surroundings(fmt.Errorf("config file %s: %s: no flag %q", name, c.Command.Name, key),
				fmt.Sprintf("emurace %s --help lists the flags", c.Command.Name))
		}
		if c.IsSet(key) {
			continue
		}
		values, isList := value.([]any)
		if !isList {
			values = []any{value}
		}
		for _, v := range values {
			if err := c.Set(key, fmt.Sprint(v)); err != nil {
				return surroundings(fmt.Errorf("config file %s: %s: %s %q: not %s", name, c.Command.Name, key, fmt.Sprint(v), wanted(c, key)), hint)
			}
		}
	}
	return nil
}
