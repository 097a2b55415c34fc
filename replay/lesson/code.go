package lesson

import (
	"fmt"
	"path"
	"strconv"
	"strings"

	"emurace/scenario"
)

// AddCode shows with each card the lines of the scenario's script that it is about. The files are the
// script and what it loads. Of no lesson there is nothing to show.
func (l *Lesson) AddCode(files []scenario.File) {
	if l == nil {
		return
	}
	for i := range l.Moments {
		m := &l.Moments[i]
		for _, at := range m.Written {
			if text := codeLine(files, at); text != "" {
				m.Code = append(m.Code, fmt.Sprintf("%s  %s", at, text))
			}
		}
	}
}

// codeLine is the text of FILE:LINE, without its indentation; "" where there is none.
func codeLine(files []scenario.File, at string) string {
	name, number, _ := strings.Cut(at, ":")
	n, err := strconv.Atoi(number)
	if err != nil {
		return ""
	}
	for _, f := range files {
		if path.Base(f.Name) != name {
			continue
		}
		for line := range strings.Lines(f.Text) {
			if n--; n == 0 {
				return strings.TrimSpace(line)
			}
		}
	}
	return ""
}
