package step

import (
	"context"
	"errors"
	"io"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/colorprofile"
)

// Color is when colours are used.
type Color int

// The choices: what the terminal and NO_COLOR say, always, never.
const (
	ColorAuto Color = iota
	ColorAlways
	ColorNever
)

// Run shows a debugger on a terminal until the user quits it.
func Run(ctx context.Context, in io.Reader, out io.Writer, color Color, o Options) error {
	m, err := New(o)
	if err != nil {
		return err
	}
	// Signals end the context, which says how the program was ended.
	options := []tea.ProgramOption{tea.WithContext(ctx), tea.WithoutSignalHandler(), tea.WithInput(in), tea.WithOutput(out)}
	switch color {
	case ColorNever:
		options = append(options, tea.WithColorProfile(colorprofile.ASCII))
	case ColorAlways:
		options = append(options, tea.WithColorProfile(colorprofile.ANSI))
	case ColorAuto: // it finds out by itself
	}
	_, err = tea.NewProgram(m, options...).Run()
	if errors.Is(err, tea.ErrProgramKilled) && ctx.Err() != nil {
		return ctx.Err()
	}
	return err
}
