package replay

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"emurace/internal/printable"
	"emurace/scenario"
)

// ProgramVersion is the version of the trace format of a program's run. Traces of scenarios
// are of FormatVersion, as ever.
const ProgramVersion = 3

// Program is what a trace keeps of the program that its process runs: all that the run depends
// on, beside the sysroot.
type Program struct {
	Path   string   `json:"path"` // of its file in the guest
	Argv   []string `json:"argv"`
	Env    []string `json:"env"` // NAME=value
	Folder string   `json:"cwd"`
	Stdin  []byte   `json:"stdin,omitempty"` // base64
	// Files are those of the machine where it was run that it was given.
	Files []Given `json:"files,omitempty"`
	// Folders are such folders; what was read in them is in Opened.
	Folders []Given `json:"folders,omitempty"`
	// Opened are the files that the process has opened, in this run or in one beside it.
	Opened []File   `json:"opened"`
	Expect []string `json:"expect"` // as the command line has it
	// From and To are where the window begins and ends, as the command line has it: "" for where
	// there is a second thread, and for the end of the process.
	From string `json:"from,omitempty"`
	To   string `json:"to,omitempty"`
	// BootSteps are the instructions before that moment, and BootDigest is the digest of it.
	BootSteps  uint64 `json:"boot_steps"`
	BootDigest string `json:"boot_digest"`
}

// Given is a file or a folder that a program sees at a path of the guest.
type Given struct {
	Path   string `json:"path"`             // in the guest
	Host   string `json:"host"`             // where it was
	SHA256 string `json:"sha256,omitempty"` // of a file's content, in hex
}

// bounds of a trace's lists, far above those of a run.
const (
	maxGiven  = 4096
	maxOpened = 1 << 16
	maxBound  = 1 << 16 // in bytes
)

// check finds what no run of a program has written.
func (p *Program) check() error {
	bad := func(format string, args ...any) error {
		return fmt.Errorf("%w: field program: "+format, append([]any{ErrFormat}, args...)...)
	}
	absolute := func(name string) bool {
		return path.IsAbs(name) && path.Clean(name) == name && !strings.Contains(name, "\x00")
	}
	switch {
	case !absolute(p.Path):
		return bad("%q is not an absolute path in its shortest form", p.Path)
	case !absolute(p.Folder):
		return bad("%q is not an absolute path in its shortest form", p.Folder)
	case len(p.Argv) == 0:
		return bad("argv is empty")
	case p.BootDigest == "":
		return bad("boot_digest is missing")
	case len(p.Files)+len(p.Folders) > maxGiven || len(p.Opened) > maxOpened:
		return bad("more files than a run has")
	}
	for _, v := range p.Env {
		if name, _, ok := strings.Cut(v, "="); !ok || name == "" || strings.Contains(v, "\x00") {
			return bad("%q is not NAME=VALUE", v)
		}
	}
	if slices.ContainsFunc(p.Argv, func(a string) bool { return strings.Contains(a, "\x00") }) {
		return bad("an argument holds a NUL")
	}
	for _, g := range slices.Concat(p.Files, p.Folders) {
		if !absolute(g.Path) || g.Host == "" || strings.Contains(g.Host, "\x00") {
			return bad("%q=%q is no file of the guest", g.Path, g.Host)
		}
	}
	for _, g := range p.Files {
		if g.SHA256 == "" {
			return bad("%s has no sha256", g.Path)
		}
	}
	if len(p.From)+len(p.To) > maxBound {
		return bad("from and to are longer than a place is")
	}
	if _, _, err := scenario.ParseExpect(p.Expect); err != nil {
		return bad("%v", err)
	}
	return nil
}

// checkLibraries finds what no scenario's libraries can be.
func checkLibraries(list []Given) error {
	if len(list) > maxGiven {
		return fmt.Errorf("%w: field libraries: more than a scenario has", ErrFormat)
	}
	for _, g := range list {
		below, ok := strings.CutPrefix(g.Path, scenario.LibraryRoot+"/")
		if !ok || !fs.ValidPath(below) || strings.Contains(g.Path+g.Host, "\x00") || !filepath.IsAbs(g.Host) || g.SHA256 == "" {
			return fmt.Errorf("%w: field libraries: %q=%q is no library of a scenario", ErrFormat, g.Path, g.Host)
		}
	}
	return nil
}

// ErrOtherProgram is wrapped by the error about a program, or a file of it, that is not the
// trace's.
var ErrOtherProgram = errors.New("the program's files are not those of the trace")

// Check tells whether a file's content is the one of the trace.
func (g Given) Check(content []byte) error {
	if hash(content) != g.SHA256 {
		return fmt.Errorf("%w: %s is another file than when the trace was made", ErrOtherProgram, g.Host)
	}
	return nil
}

// CheckLibrary is Check for a library of a scenario.
func (g Given) CheckLibrary(content []byte) error {
	if hash(content) != g.SHA256 {
		return fmt.Errorf("%w: %s is another file than when the trace was made", ErrOtherLibc, g.Host)
	}
	return nil
}

// NewGiven is what a trace keeps of a file.
func NewGiven(at, host string, content []byte) Given {
	return Given{Path: at, Host: host, SHA256: hash(content)}
}

func hash(content []byte) string {
	sum := sha256.Sum256(content)
	return hex.EncodeToString(sum[:])
}

// recordProgram fills in, at the start of the race, what a trace keeps of a program.
func recordProgram(s *scenario.Session, p *Program) (*Program, error) {
	if p == nil {
		return nil, nil
	}
	kept := *p
	var err error
	kept.BootSteps = s.Base()
	if kept.BootDigest, err = s.Digest(); err != nil {
		return nil, err
	}
	return &kept, nil
}

// opened lists the files that a session's process has opened so far.
func opened(s *scenario.Session) []File {
	list := []File{}
	for _, f := range s.Process().Opened() {
		list = append(list, File{Path: f.Path, SHA256: hash(f.Content)})
	}
	return list
}

// compareBoot says how a session at the start of its race differs from where the trace's was
// then, "" when it does not.
func (p *Program) compareBoot(s *scenario.Session) (string, error) {
	if p == nil {
		return "", nil
	}
	for _, f := range p.Opened {
		content, err := s.Process().Content(f.Path)
		if err != nil {
			return fmt.Sprintf("%s is not there, which the program had opened", f.Path), nil
		}
		if hash(content) != f.SHA256 {
			return fmt.Sprintf("%s is another file than when the trace was made", f.Path), nil
		}
	}
	now, err := recordProgram(s, p)
	if err != nil {
		return "", err
	}
	switch {
	case now.BootSteps != p.BootSteps:
		return fmt.Sprintf("the program %s after %d instructions, in the trace after %d", p.begins(), now.BootSteps, p.BootSteps), nil
	case now.BootDigest != p.BootDigest:
		return fmt.Sprintf("the process is not as in the trace when it %s", p.begins()), nil
	}
	return "", nil
}

// begins says what the program does where its window begins.
func (p *Program) begins() string {
	if p.From == "" {
		return "makes its second thread"
	}
	return "comes to " + printable.Line(p.From)
}

// Window says in which part of its run the program's threads are searched, as in "from work to
// the end"; "" where nobody has said that.
func (p *Program) Window() string {
	if p.From == "" && p.To == "" {
		return ""
	}
	from, to := p.From, p.To
	if from == "" {
		from = "the second thread"
	}
	if to == "" {
		to = "the end of the process"
	}
	return "from " + printable.Line(from) + " to " + printable.Line(to)
}
