"""The words that refusals of APIs use, English and some Norwegian: of what a remote said, these alone are shown."""

from typing import Final

WORDS: Final = frozenset(
    """
    a about above accept accepted access account accounts action activated active add added address addresses adresse
    again all allerede allow allowed already also always among amount an and and/or answer api appears application
    apply archived array as asked at attempt attempts attribute attributes authenticate authenticated authentication
    authorization authorized autorisert available bad base be because been before being below between blank blocked
    body boolean both bounced bulk but by called calls can can't cancelled cannot category change changed character
    characters check choose client closed code column complete condition confirm conflict connect connection
    constraint contact contacts contain contains content could couldn't create created credentials currency currently
    customer customers data database date datetime days deactivated default delete deleted denied deprecated did
    didn't different disabled do documentation does doesn't domain don't double down duplicate during e-mail e-post
    each either eller email emails empty en enabled encoding encountered ended endpoint enough ensure enter entity
    entry environment epost er error errors et every exceed exceeded exceeds exception exist existing exists expected
    expired expires external fail failed fails failure false feature feil few file filter finnes first firstname
    following for forbidden forbindelse forbudt format formatted found from full funnet gateway get given gone granted
    group groups gyldig had handle has have haven't header headers here hour hours how html http https id identifier
    identity ids if igjen ignored ikke import in inactive include included includes incorrect index ingen input insert
    integer internal into invalid is isn't it item items its json kan known kontakt lacks language last lastname later
    least left length less letters limit limited limits list liste lists locked log login longer made mail
    mail-adresse maintenance make malformed malformert manglende mangler many match matches maximum media member
    members message method minimum minute minutes missing mobile month more most must må name names navn needed needs
    negative nektet never new newer next no none not nothing now null number numbers nøkkel object objects of off og
    older on once one only operation oppgitt option optional options or order other our out owner parameter parameters
    parse part partial password pattern payload payment pending permission permissions permitted phone place plan
    please positive possible postadresse present problem process processed processing product products profile
    property protected provide provided prøv query quota range rate rate-limit reach reached reason received record
    records referenced refused refuses registered registrert rejected relation removed repeated request requested
    requests require required requires reset resource response restricted result retry return returned right rights
    role row rows rule same says scope second seconds section see select selected send sender senere sent server
    service session several should sign since size some something soon source specified sql state status stopped
    stored string subscribed subscriber subscribers subscription subscriptions such supplied support supported
    suspended syntax system tag tags taken tatt team temporarily temporary text than that the their them then there
    these they this those though throttled through til tilgang time timed timeout timestamp title to together token
    tokens too total transaction true try type types ugyldig ukjent unable unauthenticated unauthorized unavailable
    undefined under understood unexpected unexpectedly unfortunately unique unknown unprocessable unsubscribed
    unsupported until update updated upload url use used user users using uuid valid validate validation value values
    verified verify version via violates violation waiting was we webhook were what whatever when where which while
    with within without words wrong xml yet you your zero
    """.split()  # noqa: SIM905 - a list would take a line a word
)
"""However they are written; none is a common first or family name."""
PLAIN: Final = frozenset(
    """
    any are call case close day field fields host key keys long max may min om over page per post price read short so
    up wait will write
    """.split()  # noqa: SIM905 - as above
)
"""Only where they are written small: with a capital letter each may be a name."""
