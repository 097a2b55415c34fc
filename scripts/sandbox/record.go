package sandbox

import (
	"fmt"

	"go.starlark.net/starlark"
)

// Record is named values that a script can read and nobody can change.
type Record struct {
	Kind   string // the name of its type
	Fields starlark.StringDict
}

var _ starlark.HasAttrs = (*Record)(nil)

// String is its kind; the values may be many.
func (r *Record) String() string { return fmt.Sprintf("<%s>", r.Kind) }

// Type is its kind.
func (r *Record) Type() string { return r.Kind }

// Freeze freezes the values.
func (r *Record) Freeze() { r.Fields.Freeze() }

// Truth is true.
func (r *Record) Truth() starlark.Bool { return true }

// Hash is an error: a record cannot be a key.
func (r *Record) Hash() (uint32, error) { return 0, fmt.Errorf("a %s cannot be a key", r.Kind) }

// Attr is the value of a name, nil when there is none.
func (r *Record) Attr(name string) (starlark.Value, error) { return r.Fields[name], nil }

// AttrNames are the names.
func (r *Record) AttrNames() []string { return r.Fields.Keys() }
