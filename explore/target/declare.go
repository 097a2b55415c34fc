package target

import (
	"fmt"
	"strconv"
	"strings"
)

// Declaration writes the end as a scenario's file declares it: end("segv", ...), with a line for each
// argument.
func (e *End) Declaration() string {
	var b strings.Builder
	fmt.Fprintf(&b, "end(%s", strconv.Quote(e.Kind))
	text := func(name, value string) {
		if value != "" {
			fmt.Fprintf(&b, ",\n    %s = %s", name, strconv.Quote(value))
		}
	}
	text("arch", e.Arch)
	text("thread", e.Thread)
	if len(e.Backtrace) > 0 {
		fmt.Fprintf(&b, ",\n    backtrace = [\n        %s,\n    ]", strings.Join(frameTexts(e.Backtrace), ",\n        "))
	}
	text("access", e.Access)
	text("register", e.Register)
	text("value", string(e.Value))
	if e.Signal != 0 {
		fmt.Fprintf(&b, ",\n    signal = %d", e.Signal)
	}
	if e.Code != nil {
		fmt.Fprintf(&b, ",\n    code = %d", *e.Code)
	}
	text("message", e.Message)
	if len(e.Waits) > 0 {
		b.WriteString(",\n    waits = [\n")
		for _, w := range e.Waits {
			var parts []string
			for _, p := range [][2]string{{"thread", w.Thread}, {"what", w.What}} {
				if p[1] != "" {
					parts = append(parts, fmt.Sprintf("%q: %s", p[0], strconv.Quote(p[1])))
				}
			}
			if len(w.Backtrace) > 0 {
				parts = append(parts, `"backtrace": [`+strings.Join(frameTexts(w.Backtrace), ", ")+"]")
			}
			fmt.Fprintf(&b, "        {%s},\n", strings.Join(parts, ", "))
		}
		b.WriteString("    ]")
	}
	if strings.Contains(b.String(), "\n") {
		b.WriteString(",\n")
	}
	b.WriteString(")\n")
	return b.String()
}

func frameTexts(list []Frame) []string {
	texts := make([]string, len(list))
	for i, f := range list {
		texts[i] = strconv.Quote(f.String())
	}
	return texts
}
