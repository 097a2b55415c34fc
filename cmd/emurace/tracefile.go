package main

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"github.com/urfave/cli/v2"

	"emurace/internal/files"
	"emurace/internal/shell"
	"emurace/replay"
	"emurace/scenario"
)

// forceFlag lets a search write its trace over a file that is there.
func forceFlag() cli.Flag {
	return &cli.BoolFlag{Name: "force", Usage: "write the trace also over a file of that name that is there already"}
}

// mostNumbered bounds the numbers behind the names of traces, and mostSettings what the names say
// of settings, in bytes: a file's name has 255.
const (
	mostNumbered = 1000
	mostSettings = 100
)

// traceName is how the file of a trace is called when nobody has said: by what it is of, with the
// settings that are not the scenario's own.
func (o *outcome) traceName() string {
	settings := ""
	for _, s := range changed(o.recipe.Scenario, o.recipe.Values) {
		settings += "-" + fileName(s)
	}
	if len(settings) > mostSettings {
		settings = settings[:mostSettings]
	}
	return fmt.Sprintf("%s%s-%s-%s%s", fileName(o.recipe.Scenario.Name), settings, o.recipe.Arch, fileName(o.libcName()), traceSuffix)
}

// changed are the settings that are not the scenario's defaults, as NAME=VALUE.
func changed(sc *scenario.Scenario, values scenario.Values) []string {
	var list []string
	for _, param := range sc.Params {
		if v := values[param.Name]; v != param.Default {
			list = append(list, param.Name+"="+v)
		}
	}
	return list
}

// keepTrace writes a trace under a name, or, where a file has it that holds something else, under
// the next one with a number that is free: nobody has said that it may be overwritten. A trace that
// is there already is left as it is. It returns the name.
func keepTrace(t *replay.Trace, name string) (string, error) {
	var content bytes.Buffer
	if err := t.Encode(&content); err != nil {
		return "", err
	}
	stem := strings.TrimSuffix(name, traceSuffix)
	for i := 1; i <= mostNumbered; i++ {
		if i > 1 {
			name = fmt.Sprintf("%s-%d%s", stem, i, traceSuffix)
		}
		if have, err := files.Read(name, int64(content.Len())); err == nil && bytes.Equal(have, content.Bytes()) {
			return name, nil
		}
		// The name is taken in one step, as another search may look for one at the same time.
		f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
		if errors.Is(err, fs.ErrExist) {
			continue
		}
		if err == nil {
			err = f.Close()
		}
		if err == nil {
			if err = t.Write(name); err != nil {
				_ = os.Remove(name) // it is empty
			}
			return name, err
		}
		return "", err
	}
	return "", fmt.Errorf("%s and %d more names like it are taken", name, mostNumbered-1)
}

// checkOutput tells early what would keep a trace from being written to the file of --output, which
// may have cost hours to find.
func checkOutput(c *cli.Context) error {
	name := c.String("output")
	if name == "" {
		return nil
	}
	if info, err := os.Stat(name); err == nil && info.Mode().IsRegular() && !c.Bool("force") {
		return environmentError(fmt.Errorf("write the trace: %s: there is a file of that name already", name), "name another file with --output FILE, or add --force")
	}
	if err := replay.CheckWritable(name); err != nil {
		return traceError(err)
	}
	return nil
}

// traceCommand is a command line that does something with a trace.
func traceCommand(command, trace string) string {
	if strings.HasPrefix(trace, "-") {
		trace = "./" + trace // and no flag
	}
	return shell.Line("emurace", command, trace)
}
