"""Every exercise of the course: its heading, and the one under which its matter is explained.

A test compares them with the lessons' texts.
"""

from typing import NamedTuple


class Place(NamedTuple):
    """The title of an exercise in its lesson, and the heading of the part that explains it."""

    title: str
    section: str


PLACES = {
    "00.scaling": Place("0.1 · From bytes to numbers", "Forwards: a digit dissolves"),
    "00.static": Place("0.2 · A little static", "Forwards: a digit dissolves"),
    "00.calls": Place("0.3 · What does a digit cost?", "Backwards: a digit forms"),
    "00.dial": Place("0.4 · A dial of your own", "Forwards: a digit dissolves"),
    "01.one_step": Place("1.1 · One step", "One step"),
    "01.jump": Place("1.2 · The jump", "The reparameterised form"),
    "01.alpha_bars": Place("1.3 · A schedule from its betas", "Counting from 1, counting from 0"),
    "01.mostly_noise": Place("1.4 · Mostly noise", "Many steps at once"),
    "01.fifty_steps": Place("1.5 · Fifty steps", "The schedule"),
    "02.product": Place("2.1 · Two witnesses", "Two witnesses"),
    "02.weights": Place("2.2 · The two weights", "Completing the square"),
    "02.variance": Place("2.3 · Beta-tilde", "Completing the square"),
    "02.reverse_step": Place("2.4 · One step back", "What the network must do"),
    "02.bad_jump": Place("2.5 · A jump too far", "Where it can be computed"),
    "03.bits_per_dim": Place("3.1 · From nats to bits per dimension", "Bits per dimension"),
    "03.kl": Place("3.2 · Equal widths", "From the KL to a distance"),
    "03.weight": Place("3.3 · The weight", "From the mean to the noise"),
    "03.one_example": Place("3.4 · One training example", "The one line"),
    "03.randint_arguments": Place("3.5 · Which t?", "Algorithm 1"),
    "03.distance": Place("3.6 · Why squares?", "The loss that cannot reach zero"),
    "04.width_seen": Place("4.1 · The receptive field", "How far does a convolution see?"),
    "04.size_back": Place("4.2 · The way down and up again", "The U"),
    "04.block_parameters": Place("4.3 · Count a block", "What it costs"),
    "04.embedding": Place("4.4 · The clock", "A number as a vector"),
    "04.inject": Place("4.5 · The lever", "How the time gets into a block"),
    "04.layers": Place("4.6 · See far, pay little", "What a plain stack would cost"),
    "05.one_step": Place("5.1 · One step", "Algorithm 1, line by line"),
    "05.steps": Place('5.2 · How long is "20 epochs"?', "The budget"),
    "05.images": Place("5.3 · How many images?", "How noisy is the number?"),
    "05.ema": Place("5.4 · The average by hand", "The average of the weights"),
    "05.memory": Place("5.5 · A memory of your own", "The average of the weights"),
    "06.timesteps": Place("6.1 · The order of time", "The loop"),
    "06.sampler": Place("6.2 · The sampler", "Algorithm 2, line by line"),
    "06.sigmas": Place("6.3 · Two widths", "Which sigma?"),
    "06.clipped_step": Place("6.4 · A clipped step", "Clipping"),
    "06.own_sigma": Place("6.5 · A width of your own", "Each is right in a world of its own"),
    "07.standard_error": Place("7.1 · The error of a share", "How sure is a share?"),
    "07.samples_needed": Place("7.2 · How many samples?", "How sure is a share?"),
    "07.diagonal_frechet": Place(
        "7.3 · A distance without correlations", "The second judge: a distance between crowds"
    ),
    "07.price_of_noise": Place("7.4 · The price of noise", "Looks and likelihood are two things"),
    "07.nearest_other": Place("7.5 · The nearest other", "The fourth judge: is it reciting?"),
    "07.own_judge": Place(
        "7.6 · A judge of your own", "The second judge: a distance between crowds"
    ),
    "08.score": Place("8.1 · The score of a prediction", "The noise, seen as a score"),
    "08.langevin_step": Place("8.2 · One step", "Walking by the compass"),
    "08.walkers_variance": Place("8.3 · The price of a long step", "Walking by the compass"),
    "08.jump": Place("8.4 · A straight piece", "Two ways back"),
    "08.compass": Place("8.5 · A compass of your own", "Walking by the compass"),
    "09.jump": Place("9.1 · The jump", "The jump of DDIM"),
    "09.grid": Place("9.2 · The grid", "Where to ask"),
    "09.order": Place("9.3 · The order", "How fast does the error fall?"),
    "09.ahead": Place("9.4 · Look ahead", "Two ways to follow a bend"),
    "09.slerp": Place("9.5 · Along the arc", "The noise is a code"),
    "09.own_grid": Place("9.6 · A grid of your own", "Where to ask"),
    "10.variance": Place("10.1 · Insist", "To insist"),
    "10.by_slope": Place("10.2 · From a slope to a noise", "A classifier that guides"),
    "10.hide": Place("10.3 · Hide some", "One network learns both"),
    "10.guided": Place("10.4 · The box", "The guided network"),
    "10.away": Place("10.5 · An 8, not a 3", "Steering away"),
    "10.wish": Place("10.6 · A wish of your own", "A classifier that guides"),
    "11.kl": Place("11.1 · The price of a latent", "A loss that is a price list"),
    "11.draw": Place("11.2 · The draw", "A draw that lets gradients through"),
    "11.signal_to_noise": Place("11.3 · Signal to noise", "Why the variance must be 1"),
    "11.there_and_back": Place("11.4 · There and back", "The same diffusion"),
    "11.savings": Place("11.5 · A later autoencoder", "Stable Diffusion, in numbers"),
    "11.own_code": Place("11.6 · A code by hand", "Why the variance must be 1"),
    "12.adjoint": Place("12.1 · The adjoint of a mean", "One equation for all damages"),
    "12.posterior": Place("12.2 · The posterior", "Bayes once more"),
    "12.known": Place("12.3 · What RePaint replaces", "How a chain learns of $y$"),
    "12.certainty": Place("12.4 · How sure is the number?", "The form, restored"),
    "12.start": Place("12.5 · Where does the chain begin?", "The scan"),
    "12.own_damage": Place("12.6 · A damage of your own", "One equation for all damages"),
    "13.own_test": Place("13.1 · A test of your own", "A network that only listens"),
    "13.end_variance": Place("13.2 · The variance at the end", "A network that is always right"),
    "13.specimen_A": Place("13.3 · Specimen A", "Which test catches what"),
    "13.specimen_B": Place("13.4 · Specimen B", "Which test catches what"),
    "13.specimen_C": Place("13.5 · Specimen C", "Which test catches what"),
    "13.repaired": Place("13.6 · Three faults", "An operation"),
    "14.table_line": Place("14.1 · A line of the table", "The schedule"),
    "14.posterior_weights": Place("14.2 · The weights of step 3", "The two weights"),
    "14.training_step": Place("14.3 · A step of training", "Training"),
    "14.another_draw": Place("14.4 · Another draw", "Algorithm 2"),
    "14.tipping_point": Place("14.5 · Ink or paper?", "Algorithm 2"),
    "14.own_draws": Place("14.6 · A network that cannot decide", "Algorithm 2"),
}
