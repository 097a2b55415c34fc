package measured

import (
	"fmt"
	"os/exec"
	"regexp"
	"runtime"
	"strings"
	"time"

	"emurace/internal/words"
	"emurace/loader"
)

// Machine is where something was measured.
type Machine struct {
	Processors int    `json:"processors"`
	Arch       string `json:"arch"`
	Libc       string `json:"libc"` // the version of its glibc
	Rust       string `json:"rust"` // of rustc
}

// Here is this machine.
func Here() (Machine, error) {
	host, err := HostArch()
	if err != nil {
		return Machine{}, err
	}
	m := Machine{Processors: runtime.NumCPU(), Arch: host.String()}
	if m.Libc, err = Version("getconf", "GNU_LIBC_VERSION"); err != nil {
		return m, err
	}
	m.Rust, err = Version("rustc", "--version")
	return m, err
}

// String is it as a sentence has it: "2 processors of an amd64 machine with ...".
func (m Machine) String() string {
	return fmt.Sprintf("%s of an %s machine with glibc %s and rustc %s", words.Count(uint64(m.Processors), "processor"), m.Arch, m.Libc, m.Rust)
}

// HostArch is the machine's own architecture.
func HostArch() (loader.Arch, error) {
	for _, a := range []loader.Arch{loader.AMD64, loader.ARM64} {
		if a.String() == runtime.GOARCH {
			return a, nil
		}
	}
	return 0, fmt.Errorf("a machine of %s is neither amd64 nor arm64", runtime.GOARCH)
}

// number is the first number with a dot in a line, as programs that say their version have it.
var number = regexp.MustCompile(`\d+\.\d+(\.\d+)*`)

// Version asks a program for its version, with a command whose first line of output says it.
func Version(name string, args ...string) (string, error) {
	command := strings.Join(append([]string{name}, args...), " ")
	out, err := exec.Command(name, args...).Output()
	if err != nil {
		return "", fmt.Errorf("%s: %w", command, err)
	}
	line, _, _ := strings.Cut(string(out), "\n")
	// Behind the package's own words, which may hold a version too.
	if i := strings.LastIndex(line, ")"); i >= 0 && number.MatchString(line[i:]) {
		line = line[i:]
	}
	version := number.FindString(line)
	if version == "" {
		return "", fmt.Errorf("%s: no version in %q", command, line)
	}
	return version, nil
}

// Seconds is a time as people compare it.
func Seconds(d time.Duration) string {
	switch {
	case d < 100*time.Millisecond:
		return fmt.Sprintf("%.3f s", d.Seconds())
	case d < 10*time.Second:
		return fmt.Sprintf("%.1f s", d.Seconds())
	}
	return fmt.Sprintf("%.0f s", d.Seconds())
}
