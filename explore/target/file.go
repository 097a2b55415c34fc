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
	var object json.RawMessage
	limited := &io.LimitedReader{R: r, N: maxFile + 1}
	if err := json.NewDecoder(limited).Decode(&object); err != nil {
		if limited.N <= 0 {
			return nil, fmt.Errorf("more than %d bytes", maxFile)
		}
		return nil, err
	}
	// What holds an end has fields of its own, which may be called as those of an end are.
	var holder struct {
		End      *End `json:"end"`
		Findings []struct {
			End *End `json:"end"`
		} `json:"findings"`
	}
	if err := json.Unmarshal(object, &holder); err != nil {
		return nil, err
	}
	e := holder.End
	for _, f := range holder.Findings {
		if e == nil {
			e = f.End
		}
	}
	if e == nil {
		e = &End{}
		var kind struct {
			Kind *string `json:"kind"`
		}
		if err := json.Unmarshal(object, &kind); err != nil {
			return nil, err
		}
		if kind.Kind == nil || *kind.Kind == "" {
			return nil, ErrNone
		}
		if err := json.Unmarshal(object, e); err != nil {
			return nil, err
		}
	}
	if err := e.Check(); err != nil {
		return nil, err
	}
	return e, nil
}
