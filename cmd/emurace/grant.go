package main

import (
	"os"
	"path/filepath"
	"time"

	"github.com/urfave/cli/v2"

	"emurace/emu"
	"emurace/internal/files"
	"emurace/internal/guard"
	"emurace/internal/wall"
	"emurace/loader"
	"emurace/replay"
	"emurace/sysroot"
)

// grants are what a command needs behind the walls.
type grants struct {
	wall.Grant
	// before, if set, is what a command that runs a trace does when its sysroot is open
	// and the walls do not stand yet.
	before func(replay.Recipe, *emu.System) error
}

// sysroot lets the files of a sysroot be read. One that is not there is said so by
// whoever opens it.
func (g *grants) sysroot(cache *sysroot.Cache, spec sysroot.Spec, arch loader.Arch) {
	dir, err := cache.Dir(spec, arch.String())
	if err != nil {
		return
	}
	g.Read = append(g.Read, dir)
	if spec.Kind == sysroot.Debian {
		g.Read = append(g.Read, filepath.Dir(dir)) // with the manifest
		if name := cache.IndexPath(spec, arch.String()); exists(name) {
			g.Read = append(g.Read, name) // for withPackage
		}
	}
}

func exists(name string) bool {
	_, err := os.Stat(name)
	return err == nil
}

// file lets a file be written, with what lies beside it: it is made in a place of its own
// and then given its name. The name "" stands for one in the present folder.
func (g *grants) file(name string) {
	if info, err := os.Stat(name); err == nil && !info.Mode().IsRegular() && !info.IsDir() {
		g.Write = append(g.Write, name) // a pipe, a device: as it is
		return
	}
	files.Sweep(filepath.Dir(name)) // which behind the walls cannot be listed
	g.Write = append(g.Write, filepath.Dir(name))
	if real, err := filepath.EvalSymlinks(name); err == nil {
		g.Write = append(g.Write, filepath.Dir(real))
	}
}

// terminal lets the description of the terminal be read, from where terminfo(5) has it.
func (g *grants) terminal() {
	for _, dir := range append(filepath.SplitList(os.Getenv("TERMINFO_DIRS")), os.Getenv("TERMINFO"), "/etc/terminfo", "/lib/terminfo", "/usr/share/terminfo") {
		if dir != "" {
			g.Read = append(g.Read, dir)
		}
	}
	if home, err := os.UserHomeDir(); err == nil {
		g.Read = append(g.Read, filepath.Join(home, ".terminfo"))
	}
}

// walledIn is what a test does behind the walls.
var walledIn = func() {}

// raise puts the process behind walls with what is granted, if it is an engine process.
// It comes before the first machine is made. What libraries read of the system at their
// first use is read before.
func raise(c *cli.Context, g grants) error {
	_, _ = time.Now().Zone() // reads the time zone
	if err := guard.From(c.Context).Raise(g.Grant); err != nil {
		return environmentError(err, "it is a fault of emurace: please report it with what emurace version says")
	}
	walledIn()
	return nil
}
