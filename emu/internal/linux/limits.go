package linux

// Limit is something of which a process may take only so much. On Linux it would go on:
// there such things are bounded by the machine, the disk behind its output, or by more.
type Limit int

// The limits.
const (
	OutputLimit  Limit = iota + 1 // bytes written to standard output and error, and in how many pieces
	MappingLimit                  // mappings, of which Linux has some 65,000 by default
)

// How much there is of each: who takes the last one has come to the limit.
const (
	MaxOutput   = 16 << 20
	MaxWrites   = 1 << 16
	MaxMappings = 1 << 13
)

// exceeds ends the process at a limit, once the call is through.
func (r *Result) exceeds(l Limit) { r.Effect, r.Limit = Exceeds, l }
