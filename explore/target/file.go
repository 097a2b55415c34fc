package target

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// maxFile bounds a file that has an end, in bytes.
const maxFile = 64 << 20

// ErrNone is the error of a file that has no end in it.
var ErrNone = errors.New("there is no end in it")

// Read takes the end out of an object in JSON: the object itself, or its field "end", or that of its
// first finding which has one. So it takes what emurace diagnose --json and emurace explore --json
// print. What follows the object is not looked at.
func Read(r io.Reader) (*End, error) {
	var file struct {
		End
		Of       *End `json:"end"`
		Findings []struct {
			End *End `json:"end"`
		} `json:"findings"`
	}
	limited := &io.LimitedReader{R: r, N: maxFile + 1}
	if err := json.NewDecoder(limited).Decode(&file); err != nil {
		if limited.N <= 0 {
			return nil, fmt.Errorf("more than %d bytes", maxFile)
		}
		return nil, err
	}
	e := &file.End
	for _, f := range file.Findings {
		if f.End != nil && file.Of == nil {
			file.Of = f.End
		}
	}
	switch {
	case file.Of != nil:
		e = file.Of
	case e.Kind == "":
		return nil, ErrNone
	}
	if err := e.Check(); err != nil {
		return nil, err
	}
	return e, nil
}
