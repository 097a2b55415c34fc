package diagnose

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/ianlancetaylor/demangle"

	"emurace/internal/words"
)

// Shown is a text of the process's as it is told: its length, where it may be a secret.
func (d *Diagnosis) Shown(text string) string {
	const most = 200
	if d.private {
		return fmt.Sprintf("(%d bytes)", len(text))
	}
	if len(text) > most {
		text = text[:most] + "..."
	}
	return text
}

func quote(text string) string { return strconv.Quote(text) }

func capital(text string) string { return words.Capital(text) }

// Demangled is the name of a function as its source has it: of C++ and Rust without the types of
// its parameters; any other name as it is.
func Demangled(name string) string {
	if !strings.HasPrefix(name, "_Z") && !strings.HasPrefix(name, "_R") {
		return name
	}
	const limit = 16 // 2^16 bytes: a short mangled name can mean a very long one
	out, err := demangle.ToString(name, demangle.NoParams, demangle.NoTemplateParams, demangle.MaxLength(limit))
	if err != nil {
		return name
	}
	return out
}

// printed tells whether bytes are characters that a text has: ASCII that is printed, blanks and line ends.
func printed(b []byte) bool {
	for _, c := range b {
		if (c < 0x20 || c > 0x7e) && c != '\t' && c != '\n' && c != '\r' {
			return false
		}
	}
	return len(b) > 0
}
