package suite

import (
	"fmt"
	"io"
	"strings"

	"emurace/internal/printable"
)

// GitHub writes a result that is not as expected as a workflow command of GitHub Actions, which
// shows it at the line of the scenario's file; nothing for one that is.
func GitHub(w io.Writer, r *Result) error {
	if r.Status == OK {
		return nil
	}
	var at []string
	if r.File != "" {
		at = append(at, "file="+property(r.File), fmt.Sprintf("line=%d", max(r.Line, 1)))
	}
	at = append(at, "title="+property(r.Title()))
	_, err := fmt.Fprintf(w, "::error %s::%s\n", strings.Join(at, ","), data(r.detail()))
	return err
}

// data escapes the text of a workflow command, and property a value of one of its properties: as
// GitHub's toolkit does, so that nothing in them ends the command or begins another one.
func data(text string) string {
	return strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A").Replace(printable.Text(text))
}

func property(text string) string {
	return strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A", ":", "%3A", ",", "%2C").Replace(printable.Line(text))
}
