package scenario

import (
	"errors"
	"fmt"
	"regexp"
	"strings"

	"emurace/emu"
	"emurace/loader"
)

// Program is a whole program that a plan's process runs in place of calls: it does what it
// says, and its threads race from the moment when there is a second one, or in the window that
// From and To say.
//
// The plan's only thread is then main, the process's first; all others are made by the
// process. Its Env, Files, Memory and Timeouts are as ever. Libs, BindNow, Setup, Check and
// AfterCall do not go with a program, and the race is over when the process has ended: that is
// right if it does so in one of the plan's Endings and has printed what Prints asks for.
type Program struct {
	Path    string   // its file in the guest, absolute
	Argv    []string // its name first; not empty
	Folder  string   // the working folder, absolute; "" for /
	Input   []byte   // what standard input holds
	Folders map[string]*emu.Folder
	Prints  []Print
	// From is where the race begins, nil for where there is a second thread, and To where it
	// ends, nil for the end of the process; see window.go.
	From, To *Bound
}

// Print is what a program has to have printed when it has ended.
type Print struct {
	FD      int // 1 is standard output, 2 standard error
	Pattern *regexp.Regexp
}

// stream is what a descriptor is called.
func (p Print) stream() string {
	if p.FD == 2 {
		return "standard error"
	}
	return "standard output"
}

// BootLimit is how many instructions a program may run before its window begins.
const BootLimit = 50_000_000_000

// ProgramLimit is DefaultLimit of a program, from the beginning of its window on.
const ProgramLimit = 1_000_000_000

// checkProgram finds what does not go with a program.
func (p *Plan) checkProgram() error {
	switch {
	case p.Program == nil:
		return nil
	case len(p.Program.Argv) == 0:
		return errors.New("scenario: the program has no name")
	case len(p.Threads) != 1 || p.Threads[0].Name != Main:
		return errors.New("scenario: beside a program no threads can be made")
	case p.Setup != nil || p.Check != nil || p.AfterCall != nil || len(p.Libs) > 0 || p.BindNow || p.NoLSE || p.MustEnd:
		return errors.New("scenario: a program is not set up, nor checked while it runs")
	}
	return nil
}

// isProgram tells whether the process runs a program of its own.
func (s *Session) isProgram() bool { return s.plan.Program != nil }

// boot makes the machine of a plan.
func boot(sys *emu.System, plan *Plan, seed uint64) (*emu.Machine, error) {
	p := plan.Program
	if p == nil {
		return emu.New(emu.Options{System: sys, Env: plan.Env, BindNow: plan.BindNow, NoLSE: plan.NoLSE, Libs: plan.Libs, LibDirs: plan.libDirs(), Files: plan.files(), Seed: seed, Memory: plan.Memory})
	}
	return emu.NewProgram(emu.ProgramOptions{
		System: sys, Path: p.Path, Argv: p.Argv, Env: plan.Env, Seed: seed, Memory: plan.Memory, Files: plan.Files,
		Folders: p.Folders, Folder: p.Folder, Input: p.Input,
	})
}

// runToWindow runs a program up to where its threads begin to race, or to its end if there
// is no second one before that. Nobody looks at what happens until then, so nothing of it is
// logged.
func (s *Session) runToWindow() error {
	if from := s.plan.Program.From; from != nil {
		return s.runToBound(from)
	}
	s.m.AwaitThread(true)
	defer s.m.AwaitThread(false)
	for left := uint64(BootLimit); s.m.Made() == 1 && s.m.End() == nil; {
		if !s.m.Runnable(0) {
			a, err := s.m.Advance(true)
			if err != nil {
				return err
			}
			if len(a.Woke) == 0 {
				return nil // it waits for ever
			}
			continue
		}
		stop, err := s.m.Run(0, left)
		if err != nil {
			return err
		}
		if left -= stop.Ran; left == 0 {
			return &emu.LimitError{Limit: emu.BootLimit}
		}
	}
	return s.endedEarly()
}

// endedEarly is why a process that has ended before its window began has not even begun to be
// the program that was meant; nil where it has, and where it goes on.
func (s *Session) endedEarly() error {
	end := s.m.End()
	if end == nil {
		return nil
	}
	if end.Kind == emu.EndLimit {
		return &emu.LimitError{Limit: end.Limit}
	}
	if missing := s.m.MissingLibrary(s.output(2)); missing != nil {
		return missing
	}
	return nil
}

// setUpProgram is setUp for a program.
func (s *Session) setUpProgram(prepare func(*emu.Process) error) error {
	s.Limit = ProgramLimit
	if err := s.runToWindow(); err != nil {
		return err
	}
	if prepare != nil {
		if err := prepare(s.Process()); err != nil {
			return err
		}
	}
	s.threads = []racer{{name: Main, body: Calls(nil), done: !s.m.Alive(0)}}
	s.identifyProgram()
	if err := s.setGate(); err != nil {
		return err
	}
	return s.beginRace()
}

// identifyProgram finds out which C library the program runs on, by what the file says: of a
// static program that is its own.
func (s *Session) identifyProgram() {
	mod, ok := s.m.Libc()
	if !ok {
		mod = s.m.Program()
	}
	s.libc = LibcID{BuildID: mod.Image.BuildID, SHA256: mod.Image.SHA256(), Path: mod.Path}
	if version, ok := mod.Image.MuslVersion(); ok {
		s.libc.Name, s.libc.Version = loader.Musl.String(), version
	} else if version, ok := mod.Image.GlibcVersion(); ok {
		s.libc.Name, s.libc.Version = loader.Glibc.String(), version
	}
}

// printed judges what a program has printed that has ended as it should: nil when that is
// right too.
func (s *Session) printed() *Failure {
	if !s.isProgram() {
		return nil
	}
	for _, want := range s.plan.Program.Prints {
		text := s.output(want.FD)
		if !want.Pattern.Match(text) {
			return &Failure{fmt.Sprintf("%s is not as expected: %s does not match %q", want.stream(), quoted(text), strings.TrimPrefix(want.Pattern.String(), lines))}
		}
	}
	return nil
}

// output is what the process has printed to a descriptor.
func (s *Session) output(fd int) (text []byte) {
	for _, c := range s.m.Output() {
		if c.FD == fd {
			text = append(text, c.Data...)
		}
	}
	return text
}

// quoted is a text as Go writes it, its end when it is long.
func quoted(text []byte) string {
	const most = 200
	if len(text) > most {
		return fmt.Sprintf("...%q", text[len(text)-most:])
	}
	return fmt.Sprintf("%q", text)
}
