package emu

import (
	"debug/elf"
	"fmt"
)

// ProgramOptions say which program to run as a process of its own.
type ProgramOptions struct {
	System *System
	Path   string   // the program's file in the guest, absolute
	Argv   []string // its name first; not empty
	Env    []string // NAME=value, and nothing beside
	Seed   uint64   // of AT_RANDOM and getrandom
	// Memory, Files and Folders are those of Options.
	Memory  uint64
	Files   map[string][]byte
	Folders map[string]*Folder
	Folder  string // the working folder, absolute; "" for /
	Input   []byte // what standard input holds; it must not change any more
	// Print, if set, is given what the process writes to its standard output (1) and error
	// (2), as it comes and without a bound; else it is kept, see Output.
	Print func(fd int, data []byte)
}

// NewProgram makes a process of a program, as execve does. It stands before its first
// instruction: that of its interpreter, the dynamic linker, or its own where it has none. Its
// threads make no calls by Begin; they run what the program says.
func NewProgram(o ProgramOptions) (*Machine, error) {
	m := newMachine(o.System)
	if err := m.loadProgram(o); err != nil {
		m.Close()
		return nil, fmt.Errorf("start %s: %w", o.Path, asLimit(err))
	}
	m.logStart()
	return m, nil
}

func (m *Machine) loadProgram(o ProgramOptions) error {
	r := resources{memory: o.Memory, files: o.Files, seed: o.Seed, print: o.Print, folders: o.Folders, input: o.Input, exe: o.Path}
	if err := m.open(r); err != nil {
		return err
	}
	m.files.opened = map[string][]byte{}
	if o.Folder != "" {
		if err := m.kernel.SetFolder(o.Folder); err != nil {
			return fmt.Errorf("the working folder %s: %w", o.Folder, err)
		}
	}
	program, err := m.files.Image(o.Path)
	if err != nil {
		return err
	}
	m.kernel.Exe = program.Name
	l := launch{program: program, path: program.Name, argv: o.Argv, env: o.Env, seed: o.Seed}
	if program.Type == elf.ET_DYN {
		l.base = programBase
	}
	if program.Interp != "" {
		if _, err := m.interpreter(program.Interp); err != nil {
			return &InterpreterError{Path: program.Interp, Err: err}
		}
	}
	if err := m.execve(l); err != nil {
		return err
	}
	m.describe()
	return nil
}

// InterpreterError is that the file which a program names as its dynamic linker is not there,
// or is none.
type InterpreterError struct {
	Path string // in the guest
	Err  error
}

// Error names the file.
func (e *InterpreterError) Error() string {
	return fmt.Sprintf("its interpreter %s: %v", e.Path, e.Err)
}

// Unwrap is what is wrong with it.
func (e *InterpreterError) Unwrap() error { return e.Err }

// RunsProgram tells whether the process runs a program of its own, as of NewProgram.
func (p *Process) RunsProgram() bool { return p.routines == nil }
