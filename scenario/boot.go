package scenario

import (
	"fmt"
	"path"

	"emurace/emu"
	"emurace/loader"
)

// LibcID says which C library a session runs.
type LibcID struct {
	Name    string // "glibc" or "musl", "" when it is known to be neither
	Version string // "" when the library does not tell
	BuildID string // hex
	SHA256  string // hex, of the file
	Path    string // in the guest
}

// String is the name and the version, as far as they are known.
func (id LibcID) String() string {
	switch {
	case id.Name != "" && id.Version != "":
		return id.Name + " " + id.Version
	case id.Name != "":
		return id.Name
	}
	return path.Base(id.Path)
}

// Start boots a machine, sets the stage and begins the race: every racing
// thread stands before the first instruction of its first call.
func Start(sys *emu.System, plan *Plan, seed uint64) (*Session, error) {
	return StartWith(sys, plan, seed, nil)
}

// StartWith is Start, and calls prepare as soon as the machine has booted, before
// any thread is made and before Setup runs: to trace calls from there on, say. With a program
// that is where the race begins.
// What prepare does must not change the process.
func StartWith(sys *emu.System, plan *Plan, seed uint64, prepare func(*emu.Process) error) (*Session, error) {
	return new(Session).startOn(sys, plan, seed, prepare)
}

func (s *Session) startOn(sys *emu.System, plan *Plan, seed uint64, prepare func(*emu.Process) error) (*Session, error) {
	if err := plan.check(); err != nil {
		return nil, err
	}
	m, err := boot(sys, plan, seed)
	if err != nil {
		return nil, err
	}
	s.m, s.plan, s.Limit, s.fns = m, plan, DefaultLimit, map[string]uint64{}
	setUp := s.setUp
	if s.isProgram() {
		setUp = s.setUpProgram
	}
	if err := setUp(prepare); err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

// setUp sets the stage on a machine that has booted.
func (s *Session) setUp(prepare func(*emu.Process) error) error {
	if prepare != nil {
		if err := prepare(s.Process()); err != nil {
			return err
		}
	}
	if err := s.identify(); err != nil {
		return err
	}
	for _, t := range s.plan.Threads {
		if err := s.makeThread(t); err != nil {
			return err
		}
	}
	if s.plan.Setup != nil {
		if err := s.plan.Setup(&Setup{s: s}); err != nil {
			return fmt.Errorf("setup: %w", err)
		}
	}
	for _, r := range s.threads {
		s.m.ForgetCall(r.machine)
	}
	for i := range s.threads {
		if s.verdict != nil {
			break // a thread before this one has found a fault
		}
		if err := s.advance(i); err != nil {
			return err
		}
	}
	return s.beginRace()
}

// beginRace begins it, here.
func (s *Session) beginRace() error {
	if err := s.meetEarly(); err != nil {
		return err
	}
	s.m.StartClocks()
	s.base = s.m.Steps()
	if err := s.judge(); err != nil {
		return err
	}
	var err error
	s.start, err = s.Mark()
	return err
}

// makeThread has a thread of the plan's on the machine.
func (s *Session) makeThread(t Thread) error {
	r := racer{name: t.Name, body: t.Body}
	var err error
	if t.Name != Main {
		if r.machine, err = s.m.Spawn(t.Name); err != nil {
			return err
		}
	}
	if r.texts, err = newTexts(s.m, len(s.plan.Threads)); err != nil {
		return err
	}
	s.threads = append(s.threads, r)
	return nil
}

// identify finds out which libc this is: by asking it, or, as musl has nothing to
// be asked, by what its file says.
func (s *Session) identify() error {
	mod, ok := s.m.Libc()
	if !ok {
		return fmt.Errorf("no libc was loaded")
	}
	s.libc = LibcID{BuildID: mod.Image.BuildID, SHA256: mod.Image.SHA256(), Path: mod.Path}
	if version, ok := mod.Image.MuslVersion(); ok {
		s.libc.Name, s.libc.Version = loader.Musl.String(), version
		return nil
	}
	fn, err := s.m.Lookup("gnu_get_libc_version")
	if err != nil {
		return nil // not glibc
	}
	addr, err := s.m.Call(0, fn, "gnu_get_libc_version()")
	if err != nil {
		return err
	}
	s.libc.Name = loader.Glibc.String()
	s.libc.Version, _ = s.m.CString(addr, 64)
	return nil
}
