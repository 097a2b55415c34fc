package scripts

import (
	"fmt"
	"os"
	"sync"

	"emurace/scripts/sandbox"
)

// printLine shows a line that a script prints.
var printLine = func(pos, text string) {
	_, _ = fmt.Fprintf(os.Stderr, "%s: %s\n", pos, text)
}

// maxPrinted bounds what scripts can print in the life of the program, in lines.
const maxPrinted = 1000

var printed struct {
	sync.Mutex
	seen map[string]bool
}

// printOnce shows each line of each place once: a script is run anew for every
// process, and a thread's function for every call of its.
func printOnce(pos, text string) {
	printed.Lock()
	defer printed.Unlock()
	text = sandbox.Printable(text)
	key := pos + "\x00" + text
	if printed.seen[key] || len(printed.seen) >= maxPrinted {
		return
	}
	if printed.seen == nil {
		printed.seen = map[string]bool{}
	}
	printed.seen[key] = true
	printLine(pos, text)
}
