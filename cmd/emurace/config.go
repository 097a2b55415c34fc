package main

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/BurntSushi/toml"
	"github.com/urfave/cli/v2"

	"emurace/internal/files"
	"emurace/scenario"
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
	of := config[c.Command.Name] // nil without the table
	isFlag := func(name string) bool {
		return slices.ContainsFunc(c.Command.Flags, func(f cli.Flag) bool { return slices.Contains(f.Names(), name) })
	}
	for _, name := range slices.Sorted(maps.Keys(of.scenarios)) {
		if isFlag(name) {
			return wrong(fmt.Errorf("%s: %s: a table, and it is a flag", c.Command.Name, name), configHint)
		}
	}
	if c.App.Metadata != nil {
		c.App.Metadata[scenariosKey] = of.scenarios
	}
	settings := of.flags
	for _, key := range slices.Sorted(maps.Keys(settings)) {
		if !isFlag(key) {
			return wrong(fmt.Errorf("%s: no flag %q", c.Command.Name, key),
				meant(key, namesOf(c.Command.Flags), "", fmt.Sprintf("emurace %s --help lists the flags", c.Command.Name)))
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

// table is what a config file sets for a command.
type table struct {
	flags map[string][]string // a value, or those of a list
	// scenarios has, by the name of a scenario, what its parameters are, as --set takes them:
	// a table in the command's table, as [explore.getenv-setenv].
	scenarios map[string][]string
}

// settingCommands are the commands that take such tables.
var settingCommands = []string{"explore", "script"}

// parseConfig is what the tables of a config file set, by command. Of several things that are
// wrong it tells always the same.
func parseConfig(data []byte, tables []string) (map[string]table, error) {
	if err := checkDepth(string(data)); err != nil {
		return nil, err
	}
	var parsed map[string]any
	if _, err := toml.Decode(string(data), &parsed); err != nil {
		return nil, err
	}
	config := map[string]table{}
	n := 0
	count := func(values int) error {
		if n += 1 + values; n > maxKeys {
			return fmt.Errorf("more than %d keys and values", maxKeys)
		}
		return nil
	}
	for _, command := range slices.Sorted(maps.Keys(parsed)) {
		if !slices.Contains(tables, command) {
			return nil, fmt.Errorf("no command %q", command)
		}
		settings, ok := parsed[command].(map[string]any)
		if !ok {
			return nil, fmt.Errorf("%s: not a table", command)
		}
		of := table{map[string][]string{}, map[string][]string{}}
		for _, key := range slices.Sorted(maps.Keys(settings)) {
			if inner, ok := settings[key].(map[string]any); ok && slices.Contains(settingCommands, command) {
				values, err := settingsOf(inner)
				if err == nil {
					err = count(len(values))
				}
				if err != nil {
					return nil, fmt.Errorf("%s.%s: %w", command, key, err)
				}
				of.scenarios[key] = values
				continue
			}
			values, err := valuesOf(settings[key])
			if err != nil {
				return nil, fmt.Errorf("%s: %s: %w", command, key, err)
			}
			if err := count(len(values)); err != nil {
				return nil, err
			}
			of.flags[key] = values
		}
		config[command] = of
	}
	return config, nil
}

// settingsOf are the parameters in a scenario's table, as --set takes them.
func settingsOf(table map[string]any) ([]string, error) {
	var list []string
	for _, name := range slices.Sorted(maps.Keys(table)) {
		values, err := valuesOf(table[name])
		if err != nil || len(values) != 1 {
			return nil, fmt.Errorf("%s: not a text, a number, true or false", name)
		}
		list = append(list, name+"="+values[0])
	}
	return list, nil
}

// scenariosKey is in the metadata: what the config file says of scenarios' parameters.
const scenariosKey = "scenarios"

// settledValues is what --set says of a scenario's parameters, and for the others the config file's
// table of the scenario.
func settledValues(c *cli.Context, sc *scenario.Scenario, name string) (scenario.Values, error) {
	given := c.StringSlice("set")
	tables, _ := c.App.Metadata[scenariosKey].(map[string][]string)
	var usual []string
	for _, setting := range tables[sc.Name] {
		param, _, _ := strings.Cut(setting, "=")
		if !slices.ContainsFunc(given, func(s string) bool { return strings.HasPrefix(s, param+"=") }) {
			usual = append(usual, setting)
		}
	}
	if len(usual) > 0 {
		if _, err := sc.Settle(usual); err != nil {
			return scenario.Values{}, environmentError(fmt.Errorf("config file: %s.%s: %w", c.Command.Name, sc.Name, err), "emurace explore --describe "+name+" shows the parameters")
		}
	}
	values, err := sc.Settle(append(usual, given...))
	if err != nil {
		return scenario.Values{}, usage(fmt.Errorf("explore: %w", err), "emurace explore --describe "+name+" shows the parameters")
	}
	return values, nil
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
