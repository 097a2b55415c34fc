// Package ordered works through a list whose order counts with several workers, so that
// what comes out is what one worker comes to who begins in front.
package ordered
