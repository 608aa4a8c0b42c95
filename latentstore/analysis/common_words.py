"""English words that carry no meaning of their own, by what a phrase does with them. Other languages' are found by their spread."""

from __future__ import annotations

# May stand inside a phrase and are shown there: 'proof of identity', 'transfer to account'.
_INNER = (
    "about after against and as at before behind between by during for from in into not of on onto or over per than to "
    "toward towards under until via vs versus with within without"
)
# Shown as 'not' inside a phrase: 'card not working'.
_NOT = (
    "ain't aren't can't cannot cant couldn't couldnt didn't didnt doesn't doesnt don't dont hadn't hasn't hasnt haven't "
    "havent isn't isnt mustn't never shouldn't wasn't wasnt weren't won't wont wouldn't wouldnt"
)
# End a phrase, never begin one nor stand alone: 'top up', 'log out'.
_PARTICLES = "away back down off out up"
# Left out wherever they stand.
_CLOSED = (
    "a an the this that these those such same another other others each every either neither both all any some few "
    "many much more most several enough no nor none own "
    "i me my mine myself we us our ours ourselves you your yours yourself yourselves he him his himself she her hers herself "
    "it its itself they them their theirs themselves one ones oneself someone somebody something anyone anybody anything "
    "everyone everybody everything nothing nobody who whom whose which what whatever whichever whoever where wherever when "
    "whenever why how however there here hence thereby therefore thus then "
    "am is are was were be been being isn ain do does did doing done don didn doesn have has had having haven hasn hadn "
    "can could may might must shall should will would ought won wouldn couldn shouldn wasn weren aren ca "
    "if unless although though because since while whereas whether but yet so else otherwise instead except besides "
    "above across along also alike almost already although always among amongst apart around aside away because below "
    "beneath beside beyond concerning despite even ever everywhere further furthermore inside near nearly next often "
    "only opposite out outside perhaps quite rather regarding somehow sometimes somewhat somewhere soon still through "
    "throughout too together upon usually very well whole yes ok okay "
    "again anymore anyway just like likely maybe actually really simply now once twice ago later lately currently "
    "let lets get gets getting got gotten give gives given giving go goes going gone went come comes came coming make makes "
    "made making take takes taken took taking put puts say says said saying tell tells told telling see sees seen saw "
    "know knows known knew knowing want wants wanted wanting need needs needed needing seem seems seemed try tries tried "
    "trying use uses used using look looks looking looked keep keeps kept happen happens happened happening think thought "
    "would've could've should've im ive id ill youre theyre thats whats hows wheres gonna wanna gotta "
    "mean means able unable please thanks thank hello hi hey dear sir sorry help "
    "etc eg ie e.g i.e non re ve ll de la le les des du et el los las un une ein eine der die das und en "
    "thing things stuff way ways kind kinds sort lot lots bit case cases various certain particular especially "
    "good great better best bad nice sure certainly exactly possible specific different "
    "two three four five six seven eight nine ten hundred thousand first second third last "
    "guy guys mr mrs ms dr vs nbsp amp quot lt gt http https www com html htm org net edu gov topic chapter paragraph"
)
_CONTRACTED = (
    "i'm i've i'd i'll you're you've you'd you'll he's he'd he'll she's she'd she'll it's it'd it'll we're we've we'd "
    "we'll they're they've they'd they'll that's that'll there's here's what's what're who's who're where's when's why's "
    "how's how'd let's y'all ma'am o'clock"
)
INNER, NOT, PARTICLES = (frozenset(one.split()) for one in (_INNER, _NOT, _PARTICLES))
FILLERS = frozenset(f"{_CLOSED} {_CONTRACTED}".split())
