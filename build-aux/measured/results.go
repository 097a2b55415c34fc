package measured

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"sync"

	"emurace/internal/files"
)

// maxResults bounds what is read of a file of results.
const maxResults = 16 << 20

// Read reads a file of results into v. A field that v does not have is an error, since the file
// is then of another version of what reads it.
func Read(name string, v any) error {
	data, err := files.Read(name, maxResults)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

// Write writes a file of results, which is there as a whole or not at all.
func Write(name string, v any) error {
	data, err := json.MarshalIndent(v, "", "\t")
	if err != nil {
		return err
	}
	return files.Replace(name, append(data, '\n'))
}

// Each does something with each of a list, so many at a time, in the list's order. The first
// error ends all, and is returned when what was begun is over.
func Each[T any](ctx context.Context, jobs int, list []T, do func(context.Context, T) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	next := make(chan T)
	go func() {
		defer close(next)
		for _, one := range list {
			select {
			case next <- one:
			case <-ctx.Done():
				return
			}
		}
	}()
	var wait sync.WaitGroup
	for range max(jobs, 1) {
		wait.Go(func() {
			for one := range next {
				if ctx.Err() != nil {
					return
				}
				if err := do(ctx, one); err != nil {
					cancel(err) // of several, the first one counts
				}
			}
		})
	}
	wait.Wait()
	return context.Cause(ctx)
}
